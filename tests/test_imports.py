"""What may not be loaded by whom, seen in fresh processes."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest


def loaded_after(statement: str) -> set[str]:
    """The modules that a fresh interpreter holds after a statement."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(answer.stdout.split())


def modules_of(*packages: str) -> list[str]:
    return [
        found.name
        for package in packages
        for found in pkgutil.walk_packages(__import__(package, fromlist=["x"]).__path__, f"{package}.")
    ]


@pytest.mark.parametrize(
    "package", ["craft.config", "craft.runs", "craft.launch", "craft.analysis", "craft.platform", "craft.cli"]
)
def test_a_torch_free_package_loads_no_torch(package: str) -> None:
    """Every module of it, and a command's module as well: torch arrives inside its function."""
    imports = "\n".join(f"import {name}" for name in [package, *modules_of(package)] if not name.endswith("__main__"))
    loaded = loaded_after(imports)
    assert "torch" not in loaded
    assert "textual" not in loaded


@pytest.mark.parametrize(
    "module", ["workbench.app", "craft.text", "craft.errors", "craft.runs.sampling_settings", "craft.generation.places"]
)
def test_these_load_no_torch_either(module: str) -> None:
    assert "torch" not in loaded_after(f"import {module}")


def test_a_worker_does_not_wait_for_torchs_compiler() -> None:
    """It would take as long as torch itself; who compiles a model imports it then."""
    loaded = loaded_after("import craft.training.worker, craft.training.experiment")
    assert "torch" in loaded
    assert not {"torch._dynamo", "torch._inductor", "sympy"} & loaded


def test_help_loads_click_and_little_else() -> None:
    loaded = loaded_after(
        "import sys\nsys.argv = ['craft', '--help']\nimport craft.cli\ntry:\n    craft.cli.main()\n"
        "except SystemExit:\n    pass\nprint()"
    )
    heavy = {"torch", "numpy", "pydantic", "rich", "textual", "plotext", "tomllib", "tree_sitter", "psutil"}
    assert not heavy & loaded
    assert "click" in loaded

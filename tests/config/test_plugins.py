"""A person's own files: which ones a definition consists of, found without importing them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from craft.config.plugins import code_dir, code_hash, named_modules, plugin_files
from craft.config.schema import ExperimentConfig


def definition(**data: Any) -> ExperimentConfig:
    return ExperimentConfig.model_validate({"data": data, "model": {"type": "transformer"}})


def write(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.py").write_text(content)


def test_what_a_definition_names() -> None:
    text = definition(type="text", path="a", processors=["normalise", "one:f", "two.three:g", "one:h"])
    assert named_modules(text) == ["one", "two.three"]
    assert named_modules(definition(type="mine.sets:Sums")) == ["mine.sets"]
    assert named_modules(definition(type="python_stdlib")) == []


def test_the_files_and_what_they_import_from_beside_themselves(tmp_path: Path) -> None:
    write(
        tmp_path,
        main="import os, helper\nfrom pack.part import x\ndef f():\n    import late.inner\n",
        helper="import main, json\nimport numpy\n",
        late="",
        json="",
        unused="import main",
        broken="def (",
    )
    write(tmp_path / "pack", __init__="from . import part", part="import broken", other="")
    (tmp_path / "late").mkdir()
    found = plugin_files(definition(type="main:D"), tmp_path)
    names = [file.relative_to(tmp_path).as_posix() for file in found]
    assert names == sorted(
        ["main.py", "helper.py", "json.py", "late.py", "pack/__init__.py", "pack/part.py", "pack/other.py", "broken.py"]
    )
    assert "main" not in sys.modules or sys.modules["main"].__file__ != str(tmp_path / "main.py")
    assert plugin_files(definition(type="python_stdlib"), tmp_path) == []
    assert plugin_files(definition(type="numpy.random:D"), tmp_path) == [], "what is installed is not copied"


def test_the_hash_follows_the_code_and_not_its_place(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        write(tmp_path / folder, main="import helper", helper="x = 1", unused="x = 1")
    first = code_hash("main", tmp_path / "one")
    assert len(first) == 64
    assert code_hash("main", tmp_path / "two") == first
    write(tmp_path / "two", unused="x = 2")
    assert code_hash("main", tmp_path / "two") == first
    write(tmp_path / "two", helper="x = 2")
    assert code_hash("main", tmp_path / "two") != first


def test_the_hash_of_installed_code_is_found_without_importing_it() -> None:
    loaded = set(sys.modules)
    hashes = [code_hash(name, None) for name in ("wave", "xml.sax.xmlreader", "xml.sax")]
    assert all(len(found) == 64 for found in hashes)
    assert len(set(hashes)) == 3
    assert [code_hash(name, None) for name in ("no_such_module", "xml.nothing", "sys")] == ["", "", ""]
    assert not {"wave", "xml.sax.xmlreader"} & (set(sys.modules) - loaded)


def test_a_runs_definition_has_its_code_beside_it(tmp_path: Path) -> None:
    assert code_dir(tmp_path / "experiment.toml") == tmp_path
    (tmp_path / "code").mkdir()
    assert code_dir(tmp_path / "experiment.toml") == tmp_path / "code"
    assert code_dir(tmp_path / "experiments.toml") == tmp_path

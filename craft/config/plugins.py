"""A person's own Python files beside an experiments file: found, hashed and copied without importing them.

A definition names them as "module:name". The module is looked for in the experiments file's folder first, then among
what is installed. A run gets copies of the files of the first kind, so that it goes on with the code it began with.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from pathlib import Path

from craft.config.schema import ExperimentConfig
from craft.config.schema.base import OwnCode
from craft.config.schema.data import TextData


def named_code(config: ExperimentConfig) -> dict[str, str]:
    """What a definition names as "module:name", by the setting that names it."""
    found: dict[str, str] = {}
    for name in type(config).model_fields:
        section = getattr(config, name)
        if isinstance(section, OwnCode):
            found[f"{name}.type"] = section.type
        elif isinstance(section, dict):
            found |= {f"{name}.{key}.type": own.type for key, own in section.items() if isinstance(own, OwnCode)}
    if isinstance(config.data, TextData):
        found |= {f"data.processors[{i}]": own for i, own in enumerate(config.data.processors) if ":" in own}
    if ":" in config.training.trainer:
        found["training.trainer"] = config.training.trainer
    return found


def named_modules(config: ExperimentConfig) -> list[str]:
    """The modules that a definition names, dotted, each once."""
    return list(dict.fromkeys(name.partition(":")[0] for name in named_code(config).values()))


def plugin_files(config: ExperimentConfig, source_dir: Path) -> list[Path]:
    """The files of `source_dir` that a definition's own code consists of; copied with their relative paths, they run.

    These are the modules it names and whatever those import from the same folder; of a package, all its `.py` files.
    What is installed is not among them, nor are files that the code opens by itself.
    """
    return module_files(named_modules(config), source_dir)


def code_dir(definition: Path) -> Path:
    """The folder in which a definition's own modules are looked for: the file's, or the copies that a run has."""
    copies = definition.parent / "code"
    return copies if definition.name == "experiment.toml" and copies.is_dir() else definition.parent


def module_files(modules: list[str], source_dir: Path) -> list[Path]:
    """The files of `source_dir` behind some modules and behind what they import from there, sorted."""
    found: set[Path] = set()
    waiting = [name.partition(".")[0] for name in modules]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            files = _files_of(name, source_dir)
            found.update(files)
            waiting += [imported for file in files for imported in _imports(file)]
    return sorted(found)


def code_hash(module: str, source_dir: Path | None) -> str:
    """A sha256 of a module's source and of what it imports from beside itself; "" when the module is not found.

    It does not depend on where the files lie, so a run's copy of them has the same one. Of an installed module only
    the file itself counts.
    """
    digest = hashlib.sha256()
    files = module_files([module], source_dir) if source_dir else []
    for file in files:
        assert source_dir is not None
        _add(digest, file.relative_to(source_dir).as_posix(), file)
    if not files:
        installed = _installed_file(module)
        if installed is None:
            return ""
        _add(digest, module, installed)
    return digest.hexdigest()


def _add(digest: hashlib._Hash, name: str, file: Path) -> None:
    content = file.read_bytes()
    digest.update(f"{name}\0{len(content)}\0".encode())
    digest.update(content)


def _files_of(name: str, folder: Path) -> list[Path]:
    """A module's file, or a package's files. A package wins over a module of the same name, as in Python."""
    if (folder / name / "__init__.py").is_file():
        return sorted(file for file in (folder / name).rglob("*.py") if file.is_file())
    module = folder / f"{name}.py"
    return [module] if module.is_file() else []


def _imports(file: Path) -> set[str]:
    """The top-level modules that a file imports, also inside its functions. A file that does not parse imports none."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return set()  # importing it will say what is wrong
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def _installed_file(module: str) -> Path | None:
    """The source of an installed module. `find_spec` would import the parents of a dotted name, so only the first
    part is asked for, and the rest is a path below it."""
    top, *rest = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    candidates = [Path(spec.origin)] if spec.origin and not rest else []
    for place in spec.submodule_search_locations or []:
        candidates += [Path(place, *rest, "__init__.py"), Path(place, *rest[:-1], f"{(rest or [''])[-1]}.py")]
    return next((file for file in candidates if file.is_file()), None)

"""A person's own Python files beside an experiments file: found, hashed and copied without importing them.

A definition names them as "module:name". The module is looked for in the experiments file's folder first, then among
what is installed. A run gets copies of the files of the first kind, so that it goes on with the code it began with.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.machinery
import importlib.util
import re
from pathlib import Path

from craft.config.schema import ExperimentConfig
from craft.config.schema.base import OwnCode
from craft.config.schema.data import TextData
from craft.config.schema.model import HFConfig


def named_code(config: ExperimentConfig) -> dict[tuple[str | int, ...], str]:
    """What a definition names as "module:name", by the path of the setting that names it."""
    found: dict[tuple[str | int, ...], str] = {}
    for name in type(config).model_fields:
        section = getattr(config, name)
        if isinstance(section, OwnCode):
            found[name, "type"] = section.type
        elif isinstance(section, dict):
            found |= {(name, key, "type"): own.type for key, own in section.items() if isinstance(own, OwnCode)}
    if isinstance(config.data, TextData):
        found |= {("data", "processors", i): own for i, own in enumerate(config.data.processors) if ":" in own}
    if ":" in config.training.trainer:
        found["training", "trainer"] = config.training.trainer
    return found


def needs_import(config: ExperimentConfig) -> bool:
    """Whether only a process that imports what a definition names can tell all that is wrong with it: code of a
    person's own, or a model whose settings the transformers library knows."""
    return bool(named_code(config)) or isinstance(config.model, HFConfig)


def named_modules(config: ExperimentConfig) -> list[str]:
    """The modules that a definition names, dotted, each once."""
    return list(dict.fromkeys(name.partition(":")[0] for name in named_code(config).values()))


def own_types(names: list[str], folder: Path) -> tuple[dict[str, str], list[tuple[int, str]]]:
    """The types that the files of a `plugins` list bring, as "module:Class" by their short names; and what is wrong
    with a name of the list, by its place in it. Nothing is imported.

    A public class at the top of a file is known by its attribute `type`, else by its name in snake_case.
    """
    found: dict[str, str] = {}
    faults: list[tuple[int, str]] = []
    for place, name in enumerate(names):
        try:
            brought = _types_in(name, folder)
        except ValueError as error:
            faults.append((place, str(error)))
            continue
        for short, reference in brought.items():
            other = found.setdefault(short, reference)
            if other != reference:
                faults.append((place, f"the type '{short}' is brought by {other} and by {reference}; rename one"))
    return found, faults


def _types_in(name: str, folder: Path) -> dict[str, str]:
    """The types of one file. Raises ValueError saying why it cannot be one."""
    path = Path(name)
    parts = path.with_suffix("").parts
    if path.suffix != ".py" or path.is_absolute() or not all(part.isidentifier() for part in parts):
        raise ValueError(
            f"'{name}' is no Python file beside the experiments file or below it; write names such as \"my_models.py\""
        )
    try:
        tree = ast.parse((folder / path).read_bytes())
    except FileNotFoundError as error:
        raise ValueError(f"there is no file {folder / path}") from error
    except OSError as error:
        raise ValueError(f"{folder / path}: cannot be read: {error.strerror}") from error
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise ValueError(f"{folder / path} is no Python that can be read{line}: {error}") from error
    module = ".".join(parts)
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    return {_short_name(node): f"{module}:{node.name}" for node in classes}


def _short_name(node: ast.ClassDef) -> str:
    for statement in node.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name("type")], value=ast.Constant(str() as name))
                | ast.AnnAssign(target=ast.Name("type"), value=ast.Constant(str() as name))
            ):
                return name
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", node.name).lower()


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


def binary_of(module: str, folder: Path) -> Path | None:
    """The file of a compiled module, beside an experiments file or installed; there need be no source of it."""
    top, *rest = module.split(".")
    spec = _spec_of(top)
    places = [folder / top, *map(Path, (spec.submodule_search_locations or []) if spec else [])] if rest else [folder]
    candidates = [Path(spec.origin)] if spec and spec.origin and not rest else []
    candidates += [
        place.joinpath(*rest[:-1], f"{module.rpartition('.')[2]}{suffix}")
        for place in places
        for suffix in importlib.machinery.EXTENSION_SUFFIXES
    ]
    return next((file for file in candidates if file.suffix != ".py" and file.is_file()), None)


def _installed_file(module: str) -> Path | None:
    """The source of an installed module."""
    top, *rest = module.split(".")
    spec = _spec_of(top)
    if spec is None:
        return None
    candidates = [Path(spec.origin)] if spec.origin and not rest else []
    for place in spec.submodule_search_locations or []:
        candidates += [Path(place, *rest, "__init__.py"), Path(place, *rest[:-1], f"{(rest or [''])[-1]}.py")]
    return next((file for file in candidates if file.is_file()), None)


def _spec_of(top: str) -> importlib.machinery.ModuleSpec | None:
    """Where a module is installed. Of a dotted name the parents would be imported, so only its first part is asked
    for, and the rest is a path below it."""
    try:
        return importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None

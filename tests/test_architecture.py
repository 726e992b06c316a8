"""The floors of the package: which part imports which, and no circles."""

from __future__ import annotations

import ast
import functools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.paths import ROOT

PACKAGE = ROOT / "keras_bigdata"
FILES = sorted(PACKAGE.rglob("*.py"))

# Modules and packages directly below `keras_bigdata`, from the ground floor upwards: each may
# import only what stands in its list. `errors` may be imported by all.
MAY_IMPORT = {
    "errors": [],
    "arguments": [],
    "permutation": [],
    "child_processes": [],
    "checksum": [],
    "files": [],
    "file_locks": [],
    "machine_limits": [],
    "progress": ["arguments"],
    "bounded_map": ["daemon_threads"],
    "representation": [],
    "process_exit": ["child_processes"],
    "file_descriptors": ["child_processes"],
    "daemon_threads": ["process_exit"],
    "keras_internals": [],
    "images": ["arguments", "files"],
    "storage": [
        *("checksum", "child_processes", "daemon_threads", "file_descriptors", "file_locks"),
        "files",
    ],
    "shards": [
        *("bounded_map", "checksum"),
        *("arguments", "files", "machine_limits", "permutation", "progress", "representation"),
        "storage",
    ],
    "packing": [
        *("arguments", "child_processes", "files", "permutation", "progress", "representation"),
        *("checksum", "file_locks", "images", "machine_limits"),
        "shards",
        "storage",
    ],
    "integrity": [
        *("arguments", "bounded_map", "checksum", "images", "packing", "progress"),
        *("representation", "shards", "storage"),
    ],
    "loading": [
        *("arguments", "checksum", "child_processes", "keras_internals", "permutation"),
        *("daemon_threads", "file_descriptors", "images", "machine_limits", "process_exit"),
        "representation",
        *("shards", "storage"),
    ],
    "bench": [
        *("arguments", "bounded_map", "files", "loading", "machine_limits", "permutation"),
        "progress",
        *("representation", "shards", "storage"),
    ],
    "plots": ["arguments", "bench", "images", "loading", "shards"],
    "report": ["files", "plots", "representation", "shards", "storage"],
    "callbacks": [
        *("arguments", "files", "keras_internals", "loading", "report", "shards", "storage"),
        *("file_locks", "machine_limits"),
    ],
    "old_keras": [],
    "migrate": ["files", "old_keras"],
    "legacy": ["bounded_map", "callbacks", "files", "keras_internals", "loading", "old_keras"],
    "cli": [
        *("arguments", "bench", "files", "integrity", "loading", "migrate", "packing"),
        *("plots", "report", "representation", "shards", "storage"),
    ],
    "__init__": ["bench", "callbacks", "images", "integrity", "loading", "packing", "shards"],
}

# Parts that run without Keras and its backends.
WITHOUT_KERAS = {
    *("errors", "arguments", "checksum", "permutation", "child_processes", "files", "progress"),
    *(
        "bounded_map",
        "daemon_threads",
        "representation",
        "process_exit",
        "file_descriptors",
        "file_locks",
        "machine_limits",
        "images",
        "storage",
        "shards",
        "packing",
        "integrity",
        "migrate",
        "old_keras",
    ),
}
HEAVY = {"keras", "tensorflow", "jax", "torch"}

MAX_LINES = 400
PRIVATE_NAME = re.compile(r"\bkeras\.(src\b|_)")


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    """The module or package directly below `keras_bigdata`."""
    return module.split(".")[1] if "." in module else "__init__"


def imports_of(path: Path) -> Iterator[str]:
    """Modules that a file imports, inside functions too, but not for type checking only."""
    for node in statements_of(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if is_module(name) else str(node.module) for name in modules)


def statements_of(node: ast.AST) -> Iterator[ast.AST]:
    """All statements below a node, without those for type checking only.

    Expressions hold no imports, and walking them takes most of the time of `ast.walk`.
    """
    typing_only = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    for block in ("body", "orelse", "finalbody", "handlers", "cases"):
        for child in [] if typing_only and block == "body" else getattr(node, block, []):
            yield child
            yield from statements_of(child)


@functools.cache
def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


GRAPH = {module_of(path): sorted(set(imports_of(path))) for path in FILES}


def test_imports_run_downwards():
    upwards = {}
    for module, names in GRAPH.items():
        part = part_of(module)
        if module == "keras_bigdata":
            continue  # its names are loaded when they are first used
        allowed = {part, "errors", *MAY_IMPORT[part]}
        if part in ("cli", "legacy", "packing", "shards"):
            allowed.add("__init__")  # the version; `from keras_bigdata import legacy`
        used = {part_of(name) for name in names if name.split(".")[0] == "keras_bigdata"}
        if not used <= allowed:
            upwards[module] = used - allowed
    assert upwards == {}


def test_every_part_stands_in_the_table_and_uses_what_it_may():
    assert {part_of(module) for module in GRAPH} == set(MAY_IMPORT)
    for part, allowed in MAY_IMPORT.items():
        if part == "__init__":
            continue
        used = {
            part_of(name)
            for module, names in GRAPH.items()
            if part_of(module) == part
            for name in names
            if name.startswith("keras_bigdata")
        }
        assert set(allowed) <= used, f"{part} does not import {set(allowed) - used}"


@pytest.mark.parametrize("package", ["callbacks", "loading", "packing", "shards", "storage"])
def test_the_packages_in_a_package_use_those_that_its_docstring_names_before_them(package):
    folder = PACKAGE / package
    inside = {path.name for path in folder.iterdir() if (path / "__init__.py").exists()}
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8")))
    order = [name for name in re.findall(r"^(\w+)/? {2,}", text, re.MULTILINE) if name in inside]
    if package == "callbacks":  # lists its public files, each with the package that only it uses
        order = ["shared", "validation", "best_weights", "resuming", "waiting"]
    assert set(order) == inside
    prefix = f"keras_bigdata.{package}."
    for module, names in GRAPH.items():
        part = module.removeprefix(prefix).split(".")[0]
        if module.startswith(prefix) and part in order:
            used = {n.removeprefix(prefix).split(".")[0] for n in names if n.startswith(prefix)}
            assert used & inside <= set(order[: order.index(part) + 1]), module


def test_no_circle_of_imports():
    state: dict[str, str] = {}
    path: list[str] = []

    def visit(module: str) -> None:
        state[module] = "open"
        path.append(module)
        for name in GRAPH[module]:
            if name not in GRAPH or name in ("keras_bigdata", module):
                continue
            if state.get(name) == "open":
                raise AssertionError(" -> ".join([*path[path.index(name) :], name]))
            if name not in state:
                visit(name)
        path.pop()
        state[module] = "done"

    for module in GRAPH:
        if module not in state and module != "keras_bigdata":
            visit(module)


def test_packing_and_its_ground_floor_import_neither_keras_nor_a_backend():
    modules = [module for module in GRAPH if part_of(module) in WITHOUT_KERAS]
    assert {part_of(module) for module in modules} == WITHOUT_KERAS
    imported = {
        module: HEAVY & {name.split(".")[0] for name in GRAPH[module]} for module in modules
    }
    assert {module: names for module, names in imported.items() if names} == {}


def test_a_file_is_one_idea_of_at_most_400_lines_that_its_first_line_names():
    assert FILES
    for path in FILES:
        text = path.read_text("utf-8")
        assert len(text.splitlines()) <= MAX_LINES, path
        docstring = ast.get_docstring(ast.parse(text))
        assert docstring, path
        first = docstring.splitlines()[0]
        assert first.endswith((".", ":")), f"{path}: {first}"


@pytest.mark.parametrize(
    "package", sorted({path.parent for path in FILES} - {PACKAGE}), ids=lambda path: path.name
)
def test_the_docstring_of_a_package_names_its_files(package):
    docstring = ast.get_docstring(ast.parse((package / "__init__.py").read_text("utf-8")))
    names = {path.stem for path in package.glob("*.py")} - {"__init__"}
    if package.name != "rules":  # where each file is named after what it changes
        assert names <= set(re.findall(r"\w+", docstring))


def test_private_names_of_keras_are_used_in_one_place_only():
    users = {
        module
        for module, names in GRAPH.items()
        if any(n.startswith(("keras.src", "keras._")) for n in names)
    }
    users |= {module_of(path) for path in FILES if PRIVATE_NAME.search(strings_of(path))}
    assert {part_of(module) for module in users} == {"keras_internals"}


def strings_of(path: Path) -> str:
    """The strings of a file, without its docstrings: names can be looked up by strings too."""
    nodes = list(ast.walk(ast.parse(path.read_text("utf-8"))))
    documented = [n for n in nodes if isinstance(n, (ast.Module, ast.ClassDef, ast.FunctionDef))]
    docstrings = {
        id(n.body[0].value) for n in documented if n.body and isinstance(n.body[0], ast.Expr)
    }
    constants = [n for n in nodes if isinstance(n, ast.Constant) and id(n) not in docstrings]
    return "\n".join(n.value for n in constants if isinstance(n.value, str))


def test_dependencies_are_declared():
    standard = set(sys.stdlib_module_names)
    used = {name.split(".")[0] for names in GRAPH.values() for name in names} - standard
    declared = {
        *("keras_bigdata", "keras", "tensorflow", "numpy", "h5py", "skimage", "PIL", "joblib"),
        *("loky", "cloudpickle", "rich", "ml_dtypes", "tifffile"),
        *("libcst", "lz4", "pandas", "simplejpeg"),  # extras
        *("fsspec", "aiohttp", "dask", "distributed", "isal", "matplotlib", "shtab"),  # extras
        *("jax", "torch"),  # backends that are installed by the user
    }
    assert used <= declared, used - declared

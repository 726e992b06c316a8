"""The files of the modules that scripts import from their own directories."""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Iterable
from pathlib import Path

from keras_bigdata.old_keras.locations import keras_root


class ModuleFiles:
    """Finds the file of an imported module, as Python would when the script is run.

    A module is looked for in the directory of the script and, if that directory is part of a
    package or of a given directory, in the directories above it up to the one that holds the
    package or to the given one. Nothing else is looked at: neither `sys.path`, nor installed
    packages. Keras itself is never taken for a module of the program.

    Args:
        directories: the given directories, as absolute paths.
    """

    def __init__(self, directories: Iterable[Path] = ()) -> None:
        self._directories = tuple(directories)
        self._roots: dict[Path, list[Path]] = {}

    def find(self, path: Path, module: str) -> Path | None:
        """Returns the file of a module, or `None` if it is not a module of the program.

        Args:
            path: the absolute path of the file with the import statement.
            module: the module as written, such as `models`, `models.small`, `.models` or `..`.
        """
        if keras_root(module) or module.split(".", maxsplit=1)[0] == "tensorflow":
            return None
        parts = module.lstrip(".").split(".")
        level = len(module) - len(module.lstrip("."))
        if level:
            base = path.parent
            for _ in range(level - 1):
                base = base.parent
            return _module_file(base, [part for part in parts if part], path)
        for root in self._roots_of(path.parent):
            found = _module_file(root, parts, path)
            if found is not None:
                return found
        return None

    def imported_files(self, path: Path, content: bytes) -> list[Path]:
        """Returns the files of the program that a file imports, in the order of its statements.

        Args:
            path: the absolute path of the file.
            content: the file as Python code. A file that is not Python 3 imports nothing.
        """
        found: dict[Path, None] = {}
        for module in imported_modules(content):
            file = self.find(path, module)
            if file is not None and file != path:
                found[file] = None
        return list(found)

    def _roots_of(self, directory: Path) -> list[Path]:
        if directory not in self._roots:
            parents = [directory, *directory.parents]
            highest = 0
            while highest + 1 < len(parents) and (parents[highest] / "__init__.py").is_file():
                highest += 1
            for given in self._directories:
                if given in parents:
                    highest = max(highest, parents.index(given))
            self._roots[directory] = parents[: highest + 1]
        return self._roots[directory]


class NoModuleFiles(ModuleFiles):
    """Finds nothing, for code that is not in a file."""

    def find(self, path: Path, module: str) -> Path | None:
        """Returns `None`."""
        return None


def imported_modules(content: bytes) -> list[str]:
    """Returns the names of the modules that Python code may import, as written.

    `from a import b` may import the module `a.b`, and imports the package `a` in any case.
    """
    names: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            tree = ast.parse(content)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return names
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                names += _with_parents("", alias.name)
        elif isinstance(node, ast.ImportFrom):
            dots = "." * node.level
            names += _with_parents(dots, node.module or "")
            before = f"{dots}{node.module}." if node.module else dots
            names += [f"{before}{alias.name}" for alias in node.names if alias.name != "*"]
    return names


def _with_parents(dots: str, module: str) -> list[str]:
    parts = module.split(".") if module else []
    names = [dots] if dots else []
    return names + [dots + ".".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _module_file(directory: Path, parts: list[str], importer: Path) -> Path | None:
    """Returns the file of a module below a directory. A file does not import itself."""
    package = directory.joinpath(*parts)
    candidates = [package / "__init__.py"]
    if parts:
        candidates.append(package.with_name(package.name + ".py"))
    for candidate in candidates:
        if candidate.is_file():
            real = Path(os.path.realpath(candidate))
            return None if real == importer else real
    return None

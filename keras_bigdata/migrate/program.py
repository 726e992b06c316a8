"""Scripts that are read together, because they import each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import libcst as cst

from keras_bigdata.migrate.module_files import ModuleFiles, imported_modules
from keras_bigdata.migrate.notes import merge_notes
from keras_bigdata.migrate.script import Note, Script

# A module next to the scripts that is larger is data, and is not read.
_MAX_NEIGHBOR_BYTES = 2_000_000


@dataclass(eq=False)
class Source:
    """The Python code of a file.

    Attributes:
        code: the file or, of a notebook, the code of its cells.
        is_given: whether the file may be changed. Other files are only read.
        line_name: returns how messages name a line.
        script: the parsed code; set while the program of the file is migrated.
        error: why it could not be parsed or changed.
        imports: the files of the program that it imports.
    """

    code: bytes
    is_given: bool = True
    line_name: Callable[[int], str] = "line {}".format
    script: Script | None = None
    error: Exception | None = None
    imports: list[Path] = field(default_factory=list)

    @property
    def notes(self) -> list[Note]:
        """The notes of the script, sorted by line."""
        if self.script is None:
            return []
        return merge_notes(self.script.notes, self.line_name)


class Programs:
    """All given files and the modules next to them that they import.

    Args:
        sources: the given files by absolute path.
        module_files: finds the files of modules.
    """

    def __init__(self, sources: Mapping[Path, Source], module_files: ModuleFiles) -> None:
        self._sources = dict(sources)
        self._module_files = module_files
        remaining = list(self._sources)
        while remaining:
            path = remaining.pop()
            source = self._sources[path]
            for file in module_files.imported_files(path, source.code):
                if file not in self._sources:
                    neighbor = _read_neighbor(file)
                    if neighbor is None:
                        continue
                    self._sources[file] = neighbor
                    remaining.append(file)
                source.imports.append(file)

    def __iter__(self) -> Iterator[dict[Path, Source]]:
        """Yields the sources of one program after the other, with their scripts.

        The scripts are dropped when the next program is requested, because syntax trees take much
        more memory than text.
        """
        for paths in self._components():
            program = {path: self._sources[path] for path in paths}
            for source in program.values():
                try:
                    source.script = Script(source.code)
                except (SyntaxError, ValueError, RecursionError) as error:
                    source.error = error
                else:
                    source.script.line_name = source.line_name
            self._link(program)
            yield program
            for source in program.values():
                source.script = None

    def unchanged_imports(
        self, program: Mapping[Path, Source], changed: Iterable[Path]
    ) -> Iterator[tuple[Source, cst.CSTNode, list[Path]]]:
        """Finds import statements of files that need changes too, but were not given.

        Args:
            program: the sources of one program.
            changed: the files that need changes and were not given.

        Yields:
            `(source, statement, files)` for the given sources. Each file is named once per source.
        """
        missing = set(changed)
        for path, source in program.items():
            if not source.is_given or source.script is None:
                continue
            named: set[Path] = set()
            for node in source.script.nodes:
                if not isinstance(node, cst.Import | cst.ImportFrom):
                    continue
                targets: set[Path] = set()
                for module in imported_modules(source.script.code(node).encode()):
                    file = self._module_files.find(path, module)
                    if file is not None and file in program:
                        targets |= self._reached(file)
                found = sorted((targets & missing) - named)
                named |= targets
                if found:
                    yield source, node, found

    def _link(self, program: Mapping[Path, Source]) -> None:
        """Sets the program of each script, and the function that finds its modules."""
        reached = {path: self._reached(path) for path in program}
        for path, source in program.items():
            if source.script is None:
                continue
            together = set().union(*(one for one in reached.values() if path in one))
            others = (program[one].script for one in sorted(together - {path}))
            source.script.program = [source.script, *(one for one in others if one is not None)]
            source.script.find_module = _module_finder(self._module_files, path, program)

    def _reached(self, path: Path) -> set[Path]:
        """Returns a file and all that it imports, directly or through others."""
        reached, remaining = set(), [path]
        while remaining:
            one = remaining.pop()
            if one not in reached:
                reached.add(one)
                remaining += self._sources[one].imports
        return reached

    def _components(self) -> list[list[Path]]:
        """Returns the files in groups that import nothing from each other, in a fixed order."""
        neighbors: dict[Path, set[Path]] = {path: set() for path in self._sources}
        for path, source in self._sources.items():
            for file in source.imports:
                neighbors[path].add(file)
                neighbors[file].add(path)
        components: list[list[Path]] = []
        done: set[Path] = set()
        for path in self._sources:
            remaining, component = [path], []
            while remaining:
                one = remaining.pop()
                if one not in done:
                    done.add(one)
                    component.append(one)
                    remaining += neighbors[one]
            if component:
                components.append(sorted(component))
        return components


def _module_finder(
    module_files: ModuleFiles, path: Path, program: Mapping[Path, Source]
) -> Callable[[str], Script | None]:
    found: dict[str, Script | None] = {}

    def find(module: str) -> Script | None:
        if module not in found:
            file = module_files.find(path, module)
            source = None if file is None else program.get(file)
            found[module] = None if source is None else source.script
        return found[module]

    return find


def _read_neighbor(path: Path) -> Source | None:
    try:
        if path.stat().st_size > _MAX_NEIGHBOR_BYTES:
            return None
        return Source(path.read_bytes(), is_given=False)
    except OSError:
        return None

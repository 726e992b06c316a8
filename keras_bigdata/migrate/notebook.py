"""Jupyter notebooks: their code cells as one program, and the file with changed cells."""

from __future__ import annotations

import codecs
import difflib
import json
import re
from dataclasses import dataclass
from typing import Any

from keras_bigdata.migrate import python_2
from keras_bigdata.migrate.cell_code import CellCode, read_cell
from keras_bigdata.migrate.json_spans import Span, element_spans, member_spans, value_span
from keras_bigdata.migrate.script import Note


@dataclass
class _Cell:
    number: int  # from 1; text cells count too
    span: Span  # of its source
    source: str
    code: CellCode
    first_line: int = 0  # of the code in the program


class Notebook:
    """A notebook as a program.

    The cells with Python code follow each other in the order of the notebook. Cells that are not
    Python code (`%%bash`, Python 2, other languages) are left out, and never changed. Everything
    in the file except for the changed lines of code is kept byte for byte: outputs, metadata,
    indentation, escapes.

    Args:
        content: the file, in format 2, 3 or 4.

    Attributes:
        code: the program, as UTF-8.
        notes: notes on cells that are left out and probably should not be.

    Raises:
        ValueError: if the file is not a notebook.
    """

    def __init__(self, content: bytes) -> None:
        self._bom = codecs.BOM_UTF8 if content.startswith(codecs.BOM_UTF8) else b""
        try:
            self._text = content.removeprefix(self._bom).decode("utf-8")
            data = json.loads(self._text)
        except ValueError as error:
            raise ValueError(f"this is not a notebook: {error}") from error
        except RecursionError:
            raise ValueError("this is not a notebook: it is nested too deeply.") from None
        self.notes: list[Note] = []
        self._marker = "_notebook_"
        while self._marker in self._text:
            self._marker += "x_"
        cells = self._code_cells(data)
        language = _language(data)
        if language not in ("", "python", "ipython"):
            self.notes.append(Note(1, f"the notebook is in {language}, and is not changed."))
            cells = []
        self._cells = [cell for cell in cells if cell.code.code is not None]
        for cell in cells:
            self._note_unread(cell)
        parts = []
        line = 1
        for cell in self._cells:
            part = f"import {self._marker}cell_{cell.number}_\n{cell.code.code}\n"
            cell.first_line = line + 1
            line += part.count("\n")
            parts.append(part)
        self.code = "".join(parts).encode("utf-8", "surrogatepass")

    def note_place(self, note: Note) -> Note:
        """Returns a note on the program as a note on a cell."""
        cell = self._cell_of_line(note.line)
        if cell is None:
            return note
        return Note(max(note.line - cell.first_line + 1, 1), note.message, cell.number)

    def line_name(self, line: int) -> str:
        """Returns how messages name a line of the program."""
        cell = self._cell_of_line(line)
        if cell is None:
            return f"line {line}"
        return f"line {line - cell.first_line + 1} of cell {cell.number}"

    def rewrite(self, code: bytes) -> bytes:
        """Returns the file with the cells of a changed program.

        Raises:
            ValueError: if a line that is not Python code could not be kept.
        """
        if code == self.code:
            return self._bom + self._text.encode("utf-8")
        pattern = rf"^import {self._marker}cell_([0-9]+)_\n"
        before, *parts = re.split(
            pattern, code.decode("utf-8", "surrogatepass"), flags=re.MULTILINE
        )
        sources = dict(zip(map(int, parts[::2]), parts[1::2], strict=True))
        if before or list(sources) != [cell.number for cell in self._cells]:
            raise ValueError("the changed code could not be divided into the cells again.")
        text = self._text
        for cell in reversed(self._cells):
            source = cell.code.restore(sources[cell.number].removesuffix("\n"))
            if source != cell.source:
                start, end = cell.span
                text = text[:start] + self._changed_source(cell.span, source) + text[end:]
        return self._bom + text.encode("utf-8")

    def _code_cells(self, data: Any) -> list[_Cell]:
        top = member_spans(self._text, value_span(self._text)[0]) if isinstance(data, dict) else {}
        version = data.get("nbformat") if isinstance(data, dict) else None
        if version == 4 and isinstance(data.get("cells"), list):
            cells = zip(element_spans(self._text, top["cells"][0]), data["cells"], strict=True)
            key = "source"
        elif version in (2, 3) and isinstance(data.get("worksheets"), list):
            sheets = element_spans(self._text, top["worksheets"][0])
            spans: list[Span] = []
            values: list[Any] = []
            for (start, _), sheet in zip(sheets, data["worksheets"], strict=True):
                spans += element_spans(self._text, member_spans(self._text, start)["cells"][0])
                values += sheet["cells"]
            cells = zip(spans, values, strict=True)
            key = "input"
        else:
            raise ValueError(
                "this is not a notebook of format 2, 3 or 4. "
                f"Received: nbformat={version!r}. Open it in Jupyter and save it."
            )
        found = []
        for number, ((start, _), cell) in enumerate(cells, 1):
            if cell.get("cell_type") != "code" or cell.get("language", "python") != "python":
                continue
            value = cell.get(key, "")
            source = value if isinstance(value, str) else "".join(value)
            if key in cell:
                span = member_spans(self._text, start)[key]
                found.append(_Cell(number, span, source, read_cell(source, self._marker)))
        return found

    def _note_unread(self, cell: _Cell) -> None:
        code = cell.code
        if code.error is not None:
            message = python_2.describe(code.error, cell.source)
            self.notes.append(Note(code.line, message, cell.number))
        elif code.code is None and code.reason:
            self.notes.append(Note(code.line, code.reason, cell.number))

    def _cell_of_line(self, line: int) -> _Cell | None:
        found = None
        for cell in self._cells:
            if cell.first_line - 1 > line:
                break
            found = cell
        return found

    def _changed_source(self, span: Span, source: str) -> str:
        """Returns the JSON of a changed source in the form that it has in the file."""
        start, end = span
        if self._text[start] != "[":
            return self._dump(source)
        spans = element_spans(self._text, start)
        old = [json.loads(self._text[a:b]) for a, b in spans]
        new = source.splitlines(keepends=True)
        lead, separator = self._array_space(span, spans)
        result = "[" + lead
        last: int | None = None  # the old element that was written last
        matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
        kept = {
            block.b + n: block.a + n
            for block in matcher.get_matching_blocks()
            for n in range(block.size)
        }
        for number, line in enumerate(new):
            element = kept.get(number)
            if number:
                if last is not None and element == last + 1:
                    result += self._text[spans[last][1] : spans[element][0]]
                else:
                    result += separator
            result += self._dump(line) if element is None else self._text[slice(*spans[element])]
            last = element
        tail = self._text[spans[-1][1] : end] if spans else "]"
        return result + tail

    def _array_space(self, span: Span, spans: list[Span]) -> tuple[str, str]:
        """Returns the text before the first element of an array, and that between elements."""
        if not spans:
            return "", ", "
        lead = self._text[span[0] + 1 : spans[0][0]]
        if len(spans) > 1:
            return lead, self._text[spans[0][1] : spans[1][0]]
        return lead, "," + (lead if "\n" in lead else " ")

    def _dump(self, text: str) -> str:
        is_ascii = self._text.isascii() and re.search(r"\\u(?!00[0-7])", self._text) is not None
        return json.dumps(text, ensure_ascii=is_ascii)


def _language(data: Any) -> str:
    metadata = data.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    for key, name in (("language_info", "name"), ("kernelspec", "language")):
        value = metadata.get(key)
        if isinstance(value, dict) and isinstance(value.get(name), str):
            return str(value[name]).lower()
    return ""

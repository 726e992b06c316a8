"""The base of the sources of this package: a `repr` of constant length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from keras_bigdata.representation import html_table, list_some
from keras_bigdata.shards.roles import Roles, field_names

# Maximum number of fields that a `repr` names.
_PREVIEW = 3


class Source:
    """A source for `pack`, shown by its location, rows, classes and the shapes of its inputs.

    Attributes:
        classes: The label that class i stands for, as a list; or field -> such a list; or `None`.
        roles: The `Roles` of the fields.
    """

    classes: Any
    roles: Roles

    def __len__(self) -> int:
        raise NotImplementedError

    def __repr__(self) -> str:
        location = self._location()
        start = "" if location is None else f"{location!r}: "
        parts = [_count(len(self), "row", "rows"), *self._count_classes(), *self._input_shapes()]
        return f"{type(self).__name__}({start}{', '.join(parts)})"

    def _repr_html_(self) -> str:
        classes = self.classes
        if isinstance(classes, Mapping):
            classes = {field: list_some(names) for field, names in classes.items()}
        elif classes is not None:
            classes = list_some(classes)
        rows = {
            "location": self._location(),
            "rows": f"{len(self):,}",
            "fields": {name: str(shape) for name, shape in self._row_shapes().items()},
            **self.roles.to_json(),
            "classes": classes,
        }
        return html_table(type(self).__name__, rows)

    def _location(self) -> str | None:
        """Returns the path of the file or folder; `None` for data in memory."""
        return None

    def _row_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Returns the shape of one row of each field."""
        raise NotImplementedError

    def _count_classes(self) -> Iterator[str]:
        if isinstance(self.classes, Mapping):
            parts = (
                f"{_count(len(classes), 'class', 'classes')} of {field!r}"
                for field, classes in self.classes.items()
            )
            yield from _shorten(parts, len(self.classes))
        elif self.classes is not None:
            yield _count(len(self.classes), "class", "classes")

    def _input_shapes(self) -> Iterator[str]:
        shapes = self._row_shapes()
        inputs = list(field_names(self.roles.inputs))
        if len(inputs) == 1:
            yield str(shapes[inputs[0]])
        else:
            yield from _shorten((f"{name} {shapes[name]}" for name in inputs), len(inputs))


def _count(number: int, singular: str, plural: str) -> str:
    return f"{number:,} {singular if number == 1 else plural}"


def _shorten(parts: Iterator[str], number: int) -> Iterator[str]:
    for _, part in zip(range(_PREVIEW), parts, strict=False):
        yield part
    if number > _PREVIEW:
        yield f"and {number - _PREVIEW:,} more"

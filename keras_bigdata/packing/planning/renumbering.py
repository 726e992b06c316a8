"""Renumbers the classes and words of a source as in the packed set that it is appended to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from keras_bigdata.errors import PackError
from keras_bigdata.packing.samples.samples import Array
from keras_bigdata.packing.sources.tables.labels import NO_CLASS, check_one_class, class_numbers
from keras_bigdata.representation import list_some, shorten
from keras_bigdata.shards.fields.ragged import Ragged
from keras_bigdata.shards.index.shard_index import Field

# Entries of a list of names that a message has.
_LISTED = 10


@dataclass(frozen=True, slots=True, eq=False)
class Renumbering:
    """The new numbers of classes and words in the fields of a source.

    Args:
        numbers: field name -> int64 array with the new number of each old one. Fields that keep
            their numbers are not in it.
    """

    numbers: Mapping[str, npt.NDArray[np.int64]]

    def apply(self, arrays: Mapping[str, Array | Ragged]) -> dict[str, Array | Ragged]:
        """Returns the fields of some rows with the new numbers, in the same dtypes.

        Raises:
            PackError: if a field holds a number that the source has no name for.
        """
        renumbered = dict(arrays)
        for name, numbers in self.numbers.items():
            rows = arrays[name]
            values = rows.values if isinstance(rows, Ragged) else rows
            if not values.size:
                continue
            for extreme in (int(values.min()), int(values.max())):
                if not 0 <= extreme < len(numbers):
                    raise PackError(
                        f"field {name!r} holds the number {extreme}, but the source has names for "
                        f"0 to {len(numbers) - 1} only, so that it cannot be renumbered"
                    )
            new = numbers[values.astype(np.intp)].astype(values.dtype)
            renumbered[name] = (
                Ragged(new, rows.offsets, rows.padding) if isinstance(rows, Ragged) else new
            )
        return renumbered


@dataclass(frozen=True, slots=True, eq=False)
class ExtendedNames:
    """A list of names that is continued by those of another list that it lacks.

    Args:
        names: the known names, which keep their numbers, and the new ones.
        numbers: int64 array: the number of each name of the other list.
        added: the new names.
    """

    names: list[Any]
    numbers: npt.NDArray[np.int64]
    added: list[Any]

    @property
    def is_unchanged(self) -> bool:
        """Whether the names of the other list keep their numbers."""
        return bool((self.numbers == np.arange(len(self.numbers))).all())


def extend_classes(known: Sequence[Any], names: Sequence[Any]) -> ExtendedNames:
    """Continues a list of classes.

    Classes are compared as sources compare them: 3 and `"3"` are the same class.

    Args:
        known: the classes of the packed set.
        names: the classes of the source.

    Raises:
        PackError: if two classes of the source are the same class of the set, if one may be either
            of two, or if the lists have no name in common and the names of one are texts and those
            of the other numbers.
    """
    check_one_class(names, known)
    by_text = {str(name): number for number, name in enumerate(known)}
    found = [
        by_text.get(str(name), number)
        for name, number in zip(names, class_numbers(names, known), strict=True)
    ]
    for number, count in Counter(found).items():
        if number != NO_CLASS and count > 1:
            same = [name for name, each in zip(names, found, strict=True) if each == number]
            raise PackError(
                f"{list_some(list(map(repr, same)))} are two classes of the source, and both are "
                f"the class {known[number]!r} of the directory. Give the labels one spelling"
            )
    added = [name for name, number in zip(names, found, strict=True) if number == NO_CLASS]
    if len(added) == len(names) and not {_kind_of(each) for each in known} & set(
        map(_kind_of, added)
    ):
        raise PackError(
            f"the classes are {format_names(known)} in the directory and {format_names(names)} in "
            "the source, which can be read in two ways: as numbers of the first ones, or as other "
            "classes. If they are class numbers, replace them by the names of their classes in "
            f"the source; if they are new classes, by names of the same kind as {known[0]!r}"
        )
    if all(isinstance(name, str) for name in known):
        added = [str(name) for name in added]
    return _extended(known, found, added)


def extend_words(known: Sequence[str], words: Sequence[str]) -> ExtendedNames:
    """Continues a vocabulary.

    Args:
        known: the words of the packed set.
        words: the words of the source.
    """
    by_word = {word: number for number, word in enumerate(known)}
    found = [by_word.get(word, NO_CLASS) for word in words]
    added = [word for word, number in zip(words, found, strict=True) if number == NO_CLASS]
    return _extended(known, found, added)


def renumber_labels(
    field: Field | None, name: str, classes: ExtendedNames
) -> npt.NDArray[np.int64] | None:
    """Returns the new number of each class in a field; `None` if all stay the same.

    Args:
        field: the field; `None` if the source does not have it.
        name: its name.
        classes: the classes of the set, continued by those of the source.

    Raises:
        PackError: if the field cannot be renumbered.
    """
    if field is not None and len(field.shape) == 1 and (field.shape[0] or 0) > 1:
        if classes.added:
            raise PackError(
                f"the source has new classes: {format_names(classes.added)}. The rows of {name!r} "
                "have one column per class, and those that are packed have no column for them. "
                "Pack all rows into another directory, with `classes` that names all of them"
            )
        if not classes.is_unchanged or len(classes.numbers) != len(classes.names):
            raise PackError(
                f"the rows of {name!r} have one column per class, and the classes of the source "
                "are others, or in another order. Create the source with `classes` of the "
                f"directory: {format_names(classes.names)}"
            )
        return None
    if classes.is_unchanged:
        return None
    if field is None or field.dtype.kind not in "iub" or field.shape not in ((), (1,)):
        raise PackError(
            f"the classes of {name!r} have other numbers in the source than in the directory, "
            f"{format_names(classes.names)}, and the field ({field or 'which the samples lack'}) "
            "does not hold one class number per row. Create the source with `classes` of the "
            "directory"
        )
    return _checked_capacity(field, classes, "classes")


def renumber_tokens(field: Field | None, words: ExtendedNames) -> npt.NDArray[np.int64]:
    """Returns the new number of each word in a field.

    Args:
        field: the field of token ids; `None` if the source does not have it.
        words: the words of the set, continued by those of the source.

    Raises:
        PackError: if the field cannot be renumbered.
    """
    if field is None or field.dtype.kind not in "iu":
        raise PackError(
            "the words have other numbers in the source, and it has no field 'texts' of integers "
            "that could be renumbered. Create the source with `vocabulary` of the directory, or "
            "name its fields of words in an attribute `text_fields`"
        )
    return _checked_capacity(field, words, "words")


def format_names(names: Any) -> str:
    """Returns a list of names, or a dict of such lists, shortened."""
    if names is None:
        return "none"
    if isinstance(names, Mapping):
        return ", ".join(f"{shorten(field)}: {format_names(each)}" for field, each in names.items())
    more = f", ... ({len(names):,})" if len(names) > _LISTED else ""
    return f"[{', '.join(shorten(repr(name)) for name in names[:_LISTED])}{more}]"


def _kind_of(name: Any) -> str:
    """Returns whether a name is a text, a boolean or a number."""
    if isinstance(name, str):
        return "text"
    return "boolean" if isinstance(name, bool) else "number"


def _extended(known: Sequence[Any], found: Sequence[int], added: list[Any]) -> ExtendedNames:
    new = iter(range(len(known), len(known) + len(added)))
    numbers = [next(new) if number == NO_CLASS else number for number in found]
    return ExtendedNames([*known, *added], np.asarray(numbers, np.int64), added)


def _checked_capacity(field: Field, names: ExtendedNames, what: str) -> npt.NDArray[np.int64]:
    largest = 1 if field.dtype.kind == "b" else int(np.iinfo(field.dtype).max)
    if names.numbers.max() > largest:
        raise PackError(
            f"with those of the source there are {len(names.names):,} {what}, but the field "
            f"{field} holds numbers up to {largest} only. Pack all rows into another directory, "
            "with a larger dtype"
        )
    return names.numbers

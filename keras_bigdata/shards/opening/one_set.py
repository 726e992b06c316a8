"""Checks that pickles without an index are the rows of one set, read in the only possible way.

An index says what a file holds. Without one, the shapes of the arrays and the names of the files
are all there is, and they may mean two things: an array of shape (8, 8, 3) is one image, or eight
rows. Such files are refused with both readings, unless `layout="columns"` chooses one.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Sequence
from typing import Literal, TypeAlias

from keras_bigdata.arguments import checked_choice
from keras_bigdata.representation import list_some
from keras_bigdata.shards.index.shard_names import shard_number
from keras_bigdata.shards.opening.layout import Layout, format_arrays
from keras_bigdata.shards.opening.pickle_files import pickle_stem

# How pickles without an index are read: see `open_shards`.
Reading: TypeAlias = Literal["columns"] | None

# The smallest side of what may be an image, and the largest ratio of its sides.
_MIN_SIDE = 8
_MAX_RATIO = 4
_CHANNELS = (1, 3, 4)

# Words in names of files and folders that say to which part of the data they belong.
_PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("test", "testing", "holdout"), "test"),
    **dict.fromkeys(("val", "valid", "validation", "dev"), "validation"),
}

# A part of camelCase, of CAPITALS, or of another script.
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[^\W\d_a-zA-Z]+")
_HEXADECIMAL = re.compile(r"[0-9a-f-]{8,}", re.IGNORECASE)

_ROWS = "If they are rows, pass layout='columns'."


def checked_layout(layout: Reading) -> Reading:
    """Returns the argument `layout` if it is one that is known."""
    return checked_choice(layout, "layout", (None, "columns"))


def find_second_reading(
    directory: str | os.PathLike[str],
    names: Sequence[str],
    layouts: Sequence[Layout],
    *,
    used: Sequence[str],
    listed: bool,
) -> tuple[str, str] | None:
    """Returns the second way in which pickles can be read, if they need not be the rows of one set.

    Args:
        directory: directory that the names are relative to.
        names, layouts: the files and their arrays.
        used: as in `open_shards`.
        listed: whether the user has listed the files, and not only named the directory.

    Returns:
        A file or directory and the reason; `None` if there is one reading only.
    """
    for name, layout in zip(names, layouts, strict=True):
        if layout.two_readings is not None:
            return os.path.join(directory, name), layout.two_readings
    if len(names) == 1:
        return None
    common, stems = _split_paths([os.path.join(directory, name) for name in names])
    reason = (
        _several_variants(names)
        or _unnamed_arrays(names, stems, layouts)
        or _other_fields(names, layouts, used)
    )
    if reason is None and not listed:
        reason = _training_and_test(names, stems)
    if reason is None and not all(shard_number(os.path.basename(name)) for name in names):
        reason = _one_sample_per_file(names, layouts)
    return None if reason is None else (common, reason)


def _split_paths(paths: Sequence[str]) -> tuple[str, list[str]]:
    """Returns the directory that holds all files, and their paths in it without suffixes."""
    try:
        common = os.path.commonpath([os.path.dirname(path) for path in paths])
    except ValueError:  # on several drives of Windows
        return paths[0], [pickle_stem(path) for path in paths]
    # `os.path.relpath` takes seconds for 100,000 files.
    return common, [pickle_stem(path[len(common) :].lstrip("/\\")) for path in paths]


def _words(stem: str) -> tuple[str, ...]:
    return tuple(word.casefold() for word in _WORD.findall(stem))


def _several_variants(names: Sequence[str]) -> str | None:
    """Finds shards of several variants of the same rows, which only an index can tell apart."""
    first: dict[tuple[str, int], str] = {}
    for name in names:
        number = shard_number(os.path.basename(name))
        if number is None:
            continue
        earlier = first.setdefault((os.path.dirname(name), number[0]), name)
        if os.path.basename(earlier) != os.path.basename(name):
            return (
                f"{os.path.basename(earlier)} and {os.path.basename(name)} can be read in two ways:"
                " as variants of the same rows, which pack(variants=...) writes, and of which each "
                "epoch serves one; or all as rows. If they are variants, pass their directory with "
                f"its index (`repair` creates a lost one), or the files of one variant. {_ROWS}"
            )
    return None


def _unnamed_arrays(
    names: Sequence[str], stems: Sequence[str], layouts: Sequence[Layout]
) -> str | None:
    """Finds arrays that have no names but those of their files, such as X.pickle and y.pickle."""
    if any(layout.is_named or len(layout.arrays) != 1 for layout in layouts):
        return None
    if all(_HEXADECIMAL.fullmatch(os.path.basename(stem)) for stem in stems):
        return None
    first: dict[tuple[str, ...], int] = {}
    for number, stem in enumerate(stems):
        first.setdefault(_words(stem), number)
    if len(first) == 1:
        return None
    some = list(first.values())[:2]
    one, other = (os.path.basename(stems[number]) for number in some)
    files = " and ".join(
        f"{os.path.basename(names[number])} ({format_arrays(layouts[number])})" for number in some
    )
    kinds = {(dtype, shape[1:]) for each in layouts for dtype, shape, _ in each.arrays.values()}
    advice = f"write them as one dict into one file: pickle.dump({{{one!r}: ..., {other!r}: ...}})"
    if len(kinds) > 1:
        return (
            f"each file holds one array without a name, and they differ: {files}. If they are "
            f"fields of the same rows, {advice}. If some of them do not belong to the set, pass a "
            "list of those that do."
        )
    return (
        f"each file holds one array without a name, and the names of the files differ in more than "
        f"a number: {files}. They can be read in two ways: as fields of the same rows, such as "
        "inputs and targets; or as rows of one field, one file after the other. If they are fields"
        f", {advice}. {_ROWS}"
    )


def _other_fields(
    names: Sequence[str], layouts: Sequence[Layout], used: Sequence[str]
) -> str | None:
    """Finds files of which each holds another field of the same rows."""
    if used and any(_found_names(layout) >= set(used) for layout in layouts):
        return None
    seen: set[str] = set()
    for layout in layouts:
        keys = _found_names(layout) | layout.skipped_fields.keys()
        if not layout.is_named or not _found_names(layout) or seen & keys:
            return None
        seen |= keys
    files = " and ".join(
        f"{name} ({format_arrays(layout)})"
        for name, layout in zip(names[:2], layouts[:2], strict=True)
    )
    return (
        f"the files have no field in common: {files}. All fields of a row must be in one file: "
        "write them as one dict. If some files do not belong to the set, pass a list of those that "
        "do."
    )


def _found_names(layout: Layout) -> set[str]:
    """Returns the names of arrays and of rows of any length."""
    return layout.arrays.keys() | layout.varlen.keys()


def _training_and_test(names: Sequence[str], stems: Sequence[str]) -> str | None:
    """Finds files that are named as parts of the data that must not be mixed."""
    files_of: dict[str | None, list[str]] = {}
    for name, stem in zip(names, stems, strict=True):
        parts = {_PARTS[word] for word in _words(stem) if word in _PARTS}
        files_of.setdefault(parts.pop() if len(parts) == 1 else None, []).append(name)
    if len(files_of) == 1 or not files_of.keys() & {"test", "validation"}:
        return None
    some = [files[0] for files in files_of.values()]
    return (
        f"holds files that are named as different parts of the data, such as {list_some(some, 4)}, "
        "and would mix their rows. Pass a list of the files of one part, or the folder that holds "
        "them. If all are one set, pass a list of all files, or layout='columns'."
    )


def _one_sample_per_file(names: Sequence[str], layouts: Sequence[Layout]) -> str | None:
    """Finds files of which each may hold one sample, and not rows."""
    if not all(_may_be_a_sample(layout) for layout in layouts):
        return None
    arrays = {name: entry for name, entry in layouts[0].arrays.items() if entry[1]}
    if not arrays:
        return None
    name = max(arrays, key=lambda each: math.prod(arrays[each][1]))
    shape = arrays[name][1]
    numbers = f" and the number {layouts[0].numbers[0]!r}" if layouts[0].numbers else ""
    return (
        f"holds files such as {names[0]}, with {name!r} of shape {shape}{numbers}, which can be "
        f"read in two ways: as one sample of shape {shape} per file, or as {shape[0]} rows of "
        f"shape {shape[1:]} per file. If each file is one sample, write many samples into one "
        "file, each field as one array that np.stack makes; or pack them once: `pack` takes any "
        f"object with len() whose [row] returns the dict of one file. {_ROWS}"
    )


def _may_be_a_sample(layout: Layout) -> bool:
    shapes = [shape for _, shape, _ in layout.arrays.values() if shape]
    # Rows of any length are rows, and so are arrays with as many entries.
    counts = {offsets[1][0] - 1 for _, offsets in layout.varlen.values()}
    if counts and all(shape[0] in counts for shape in shapes):
        return False
    # Arrays that agree in the number of rows, and in nothing else, have rows. An image and its
    # mask, of shapes (8, 8, 3) and (8, 8), agree in two sizes.
    second_sizes: dict[int, tuple[int, ...]] = {}
    if any(second_sizes.setdefault(shape[0], shape[1:2]) != shape[1:2] for shape in shapes):
        return False
    has_numbers = bool(layout.numbers) or len(shapes) < len(layout.arrays)
    lengths = {shape[0] for shape in shapes}
    differ = 1 < len(shapes) == len(lengths)
    # Four dimensions are rows of images much more often than a video.
    may_be_images = all(len(shape) < 4 for shape in shapes) and any(map(_may_be_an_image, shapes))
    return has_numbers or differ or may_be_images


def _may_be_an_image(shape: tuple[int, ...]) -> bool:
    """Returns whether an array may be one image: square, or of one, three or four channels."""
    if len(shape) == 2:
        sides, square = shape, True
    elif len(shape) == 3 and shape[2] in _CHANNELS:
        sides, square = shape[:2], False
    elif len(shape) == 3 and shape[0] in (3, shape[1]):
        sides, square = shape[1:], True
    else:
        return False
    ratio = 1 if square else _MAX_RATIO
    return min(sides) >= _MIN_SIDE and max(sides) <= ratio * min(sides)

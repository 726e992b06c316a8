"""Compares how two sets of shards number their classes and the words of their vocabulary."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from keras_bigdata.representation import list_some, shorten
from keras_bigdata.shards.fields.roles import Structure
from keras_bigdata.shards.fields.standard_fields import LABELS
from keras_bigdata.shards.index.shard_index import ShardIndex

# Where a field stands in a structure of targets: the keys and positions that lead to it.
_Path = tuple[str | int, ...]


def different_classes(
    first: ShardIndex,
    second: ShardIndex,
    first_targets: Structure | None = None,
    second_targets: Structure | None = None,
) -> str | None:
    """Returns how two sets differ in what class i or word i is; `None` if they agree.

    A model that was trained on one set is evaluated wrongly on the other if class 1 is `b` in the
    first and `c` in the second. A list that continues the other one agrees with it: the numbers
    that both sets use mean the same. A set that does not name its classes cannot be compared, and
    agrees. Names are compared as text, because a class `3` from an array is `"3"` in a CSV file.

    Args:
        first: a set.
        second: another set.
        first_targets: the targets that are used of the first set. Defaults to `None`: those in its
            index.
        second_targets: the same for the second set. Defaults to `None`.

    Returns:
        A description with both directories and both lists, shortened, without a full stop.

    Example:

    ```python
    different_classes(ShardIndex.load("shards/train"), ShardIndex.load("shards/val"))
    # "class 1 is 'b' in shards/train and 'c' in shards/val; the classes are [a, b, c] and [a, c]"
    ```
    """
    first_classes = _classes_by_path(first, first_targets)
    second_classes = _classes_by_path(second, second_targets)
    if not first_classes.keys() & second_classes.keys():  # nested differently: the names remain
        first_classes = {(entry[0],): entry for entry in first_classes.values()}
        second_classes = {(entry[0],): entry for entry in second_classes.values()}
    for path, (name, classes) in first_classes.items():
        if path not in second_classes:
            continue
        lists = (classes, second_classes[path][1])
        number = _first_difference(*lists)
        if number is not None:
            title = "the classes" if len(first_classes) == 1 else f"the classes of {name!r}"
            return _describe("class", title, number, (first, second), lists)
    if first.vocabulary is not None and second.vocabulary is not None:
        words = (first.vocabulary, second.vocabulary)
        number = _first_difference(*words)
        if number is not None:
            return _describe("word", "the words", number, (first, second), words)
    return None


def _classes_by_path(
    index: ShardIndex, targets: Structure | None
) -> dict[_Path, tuple[str, list[Any]]]:
    """Returns the name and the classes of each target by its place in the structure."""
    targets = index.roles.targets if targets is None else targets
    if targets is None:  # the roles are unknown; a list belongs to the field "labels"
        names = list(index.classes) if isinstance(index.classes, dict) else [LABELS]
        targets = names[0] if len(names) == 1 else {name: name for name in names}
    found = {}
    for path, name in _places(targets):
        classes = index.classes_of(name)
        if classes is not None:
            found[path] = (name, classes)
    return found


def _places(structure: Structure, path: _Path = ()) -> Iterator[tuple[_Path, str]]:
    """Yields the place and the name of each field in a structure."""
    if isinstance(structure, str):
        yield path, structure
        return
    items = structure.items() if isinstance(structure, dict) else enumerate(structure)
    for key, item in items:
        yield from _places(item, (*path, key))


def _first_difference(first: list[Any], second: list[Any]) -> int | None:
    """Returns the first number that stands for different names in two lists; `None` if none."""
    for number, (one, other) in enumerate(zip(first, second, strict=False)):
        if _text(one) != _text(other):
            return number
    return None


def _text(name: Any) -> str:
    # An index may hold any JSON; a list that is nested too deep has no text.
    return str(name) if isinstance(name, (str, int, float, type(None))) else shorten(type(name))


def _describe(
    what: str,
    lists: str,
    number: int,
    sets: tuple[ShardIndex, ShardIndex],
    names: tuple[list[Any], list[Any]],
) -> str:
    of_number = [shorten(repr(_text(each[number])), 40) for each in names]
    first, second = (shorten(index.directory) for index in sets)
    return (
        f"{what} {number} is {of_number[0]} in {first} and {of_number[1]} in {second}; {lists} "
        f"are [{_list_texts(names[0])}] and [{_list_texts(names[1])}]"
    )


def _list_texts(names: list[Any]) -> str:
    return list_some([_text(name) for name in names])

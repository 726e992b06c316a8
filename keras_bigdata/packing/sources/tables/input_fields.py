"""The fields that are inputs of a table: one or several of images and of texts, and numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from keras_bigdata.shards.fields.roles import Structure

# A column, or field name -> column.
InputColumns: TypeAlias = "str | Mapping[str, str]"


def input_fields(
    argument: str, value: Any, default: str, *, required: bool = False
) -> dict[str, str]:
    """Returns field name -> column, for each form of the arguments `image` and `text`.

    Args:
        argument: The name of the argument, for error messages.
        value: The name of a column, or a dict; `None` for no field.
        default: The name of the field that a single column becomes.
        required: Whether `None` is an error. Defaults to `False`.

    Raises:
        TypeError: If it is neither.
        ValueError: If it is an empty dict.
    """
    if value is None and not required:
        return {}
    fields = dict(value) if isinstance(value, Mapping) else {default: value}
    if not fields:
        raise ValueError(f"`{argument}` must not be an empty dict.")
    for name, column in fields.items():
        if not isinstance(name, str) or not isinstance(column, str):
            raise TypeError(
                f"`{argument}` must be the name of a column, or a dict of field -> column; add "
                f"values in memory to the table first, as df.assign({argument}=values). "
                f"Received: {argument} of type {type(value).__name__}"
            )
    return fields


def input_roles(fields: Iterable[str], *, as_dict: bool) -> Structure:
    """Returns the roles of the inputs: a dict of the fields, one field, or a tuple of them.

    Args:
        fields: The fields in order.
        as_dict: Whether the caller has named some of them.
    """
    names = tuple(fields)
    if as_dict:
        return {name: name for name in names}
    return names if len(names) > 1 else names[0]


def check_distinct(**fields: Iterable[str]) -> None:
    """Refuses a field that two arguments define.

    Args:
        **fields: Argument -> names of the fields that it defines.

    Raises:
        ValueError: If two arguments define the same field.
    """
    owner: dict[str, str] = {}
    for argument, names in fields.items():
        for name in names:
            other = owner.setdefault(name, argument)
            if other != argument:
                named = argument if argument in ("image", "text", "label", "target") else other
                raise ValueError(
                    f"`{argument}` must not name a field that another argument defines: "
                    f"[{name!r}], which is a field of `{other}`. Pass `{named}` as a dict of "
                    "field -> column, with another name for the field."
                )

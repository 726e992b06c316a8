"""The names that a function of the script uses, and their values."""

from __future__ import annotations

import types
from typing import Any


def used_names(code: types.CodeType) -> set[str]:
    """Returns the global names and attributes that code and the functions within it use."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= used_names(constant)
    return names


def outer_values(function: Any) -> dict[str, Any]:
    """Returns the values of the names that a function uses and does not assign.

    Args:
        function: a function or a method that is written in Python.
    """
    code = function.__code__
    values = {
        name: function.__globals__[name]
        for name in used_names(code)
        if name in function.__globals__
    }
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            values[name] = cell.cell_contents
        except ValueError:  # assigned later
            continue
    return values

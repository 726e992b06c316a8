"""`image_dim_ordering` of `keras.backend`, where it is compared with or set to a literal."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate.script import Script
from keras_bigdata.old_keras.layers import DATA_FORMATS


def plan_call(script: Script, call: cst.Call, name: str) -> bool:
    """Changes `image_dim_ordering() == "th"` or `set_image_dim_ordering("th")`.

    Args:
        script: the script.
        call: a call of one of the two functions.
        name: its name.

    Returns:
        Whether the call is changed.
    """
    if not isinstance(call.func, cst.Attribute):
        return False
    if name == "set_image_dim_ordering":
        literal = call.args[0].value if len(call.args) == 1 else None
        new_literal = _format(literal)
        if new_literal is None:
            return False
        script.edit(call.func, lambda new: _renamed(new, "set_image_data_format"))
        script.edit(literal, lambda _: new_literal)  # type: ignore[type-var]
        return True
    comparison = script.parent(call)
    if call.args or not isinstance(comparison, cst.Comparison) or comparison.left is not call:
        return False
    (target, *others) = comparison.comparisons
    new_literal = _format(target.comparator)
    is_equality = isinstance(target.operator, cst.Equal | cst.NotEqual)
    if others or new_literal is None or not is_equality:
        return False
    script.edit(call.func, lambda new: _renamed(new, "image_data_format"))
    script.edit(target.comparator, lambda _: new_literal)
    return True


def _renamed(function: cst.Attribute, name: str) -> cst.Attribute:
    return function.with_changes(attr=cst.Name(name))


def data_format(node: cst.BaseExpression) -> cst.BaseExpression | None:
    """Returns the `data_format` for a literal `dim_ordering`, with the same quotes.

    Returns `None` for what is not such a literal.
    """
    if not isinstance(node, cst.SimpleString) or node.evaluated_value not in DATA_FORMATS:
        return None
    new = DATA_FORMATS[str(node.evaluated_value)]
    return (
        cst.Name("None")
        if new is None
        else node.with_changes(value=f"{node.quote}{new}{node.quote}")
    )


def _format(node: cst.BaseExpression | None) -> cst.SimpleString | None:
    new = None if node is None else data_format(node)
    return new if isinstance(new, cst.SimpleString) else None

"""Dotted names, such as `keras.layers.Dense`, as text and as syntax nodes."""

from __future__ import annotations

import libcst as cst


def dotted_name(node: cst.CSTNode | None) -> str:
    """Returns `a.b.c` for a chain of attributes, and `""` for any other node."""
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        before = dotted_name(node.value)
        return before and f"{before}.{node.attr.value}"
    return ""


def name_node(name: str) -> cst.Name | cst.Attribute:
    """Returns the chain of attributes for `a.b.c`."""
    first, *rest = name.split(".")
    node: cst.Name | cst.Attribute = cst.Name(first)
    for part in rest:
        node = cst.Attribute(node, cst.Name(part))
    return node

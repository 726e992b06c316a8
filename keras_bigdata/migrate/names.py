"""Dotted names, and the places where Keras has lived."""

from __future__ import annotations

import libcst as cst

# Longest first.
_FORMER_ROOTS = (
    "tensorflow.contrib.keras.python.keras",
    "tensorflow.compat.v1.keras",
    "tensorflow.compat.v2.keras",
    "tensorflow.contrib.keras",
    "tensorflow.python.keras",
    "tensorflow.keras",
)


def dotted(node: cst.CSTNode | None) -> str:
    """`a.b.c` of a chain of attributes; `""` of anything else."""
    if isinstance(node, cst.Name):
        return node.value
    if isinstance(node, cst.Attribute):
        before = dotted(node.value)
        return before and f"{before}.{node.attr.value}"
    return ""


def as_node(name: str) -> cst.Name | cst.Attribute:
    """The chain of attributes of `a.b.c`."""
    first, *rest = name.split(".")
    node: cst.Name | cst.Attribute = cst.Name(first)
    for part in rest:
        node = cst.Attribute(node, cst.Name(part))
    return node


def canonical(name: str) -> str:
    """The name with `keras` for any place that Keras has lived in."""
    for root in _FORMER_ROOTS:
        if name == root or name.startswith(root + "."):
            return "keras" + name[len(root) :]
    return name


def root_of(name: str) -> str:
    """The place of Keras that a name starts with, such as `tensorflow.keras`; `""` if none."""
    for root in (*_FORMER_ROOTS, "keras"):
        if name == root or name.startswith(root + "."):
            return root
    return ""

"""Text in string literals, in f-strings and in expressions that build paths."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script

Text = cst.SimpleString | cst.FormattedStringText


def text_of(node: Text) -> str:
    """Returns the text as it is in the source, without quotes."""
    return node.raw_value if isinstance(node, cst.SimpleString) else node.value


def edit_text(script: Script, node: Text, change: Callable[[str], str]) -> None:
    """Adds an edit of the text. Quotes and prefix are kept.

    Args:
        script: the script.
        node: the literal.
        change: called with the text without quotes; returns the new text.
    """

    def edit(new: Text) -> Text:
        if isinstance(new, cst.FormattedStringText):
            return new.with_changes(value=change(new.value))
        start = len(new.prefix) + len(new.quote)
        end = len(new.value) - len(new.quote)
        text = change(new.value[start:end])
        return new.with_changes(value=new.value[:start] + text + new.quote)

    script.edit(node, edit)


def last_text(node: cst.BaseExpression) -> Text | None:
    """Returns the literal with which the value of an expression ends, or `None` if unknown."""
    last = last_part(node)
    return last if isinstance(last, cst.SimpleString | cst.FormattedStringText) else None


def last_part(node: cst.BaseExpression) -> cst.CSTNode:
    """Returns the part of an expression with which its value ends: a literal, a name, or itself."""
    if isinstance(node, cst.FormattedString) and node.parts:
        return node.parts[-1]
    if isinstance(node, cst.ConcatenatedString):
        return last_part(node.right)
    if isinstance(node, cst.BinaryOperation):
        if isinstance(node.operator, cst.Add | cst.Divide):
            return last_part(node.right)
        if isinstance(node.operator, cst.Modulo):
            return last_part(node.left)
    if isinstance(node, cst.Call) and node.args and not call_edits.has_starred(node):
        method = node.func.attr.value if isinstance(node.func, cst.Attribute) else ""
        if method == "format" and isinstance(node.func, cst.Attribute):
            return last_part(node.func.value)
        # `os.path.join(a, b)` ends with its last argument, but not `"/".join(parts)`.
        is_path_join = method == "join" and not isinstance(
            node.func.value if isinstance(node.func, cst.Attribute) else None, cst.SimpleString
        )
        if is_path_join or (isinstance(node.func, cst.Name) and node.func.value in ("Path", "str")):
            return last_part(node.args[-1].value)
    return node


def iterate_texts(node: cst.CSTNode) -> Iterator[Text]:
    """Yields all text in an expression."""
    if isinstance(node, cst.SimpleString | cst.FormattedStringText):
        yield node
    for child in node.children:
        yield from iterate_texts(child)

"""Text within string literals, f-strings and expressions that put paths together."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script

Text = cst.SimpleString | cst.FormattedStringText


def text_of(node: Text) -> str:
    """The text as it stands in the source, without quotes."""
    return node.raw_value if isinstance(node, cst.SimpleString) else node.value


def edit_text(script: Script, node: Text, change: Callable[[str], str]) -> None:
    """Has the text changed, quotes and prefix kept."""

    def edit(new: Text) -> Text:
        if isinstance(new, cst.FormattedStringText):
            return new.with_changes(value=change(new.value))
        before = len(new.prefix) + len(new.quote)
        end = len(new.value) - len(new.quote)
        text = change(new.value[before:end])
        return new.with_changes(value=new.value[:before] + text + new.quote)

    script.edit(node, edit)


def last_string(node: cst.BaseExpression) -> Text | None:
    """The piece of text that the expression of a path ends with, if it is written there."""
    if isinstance(node, cst.SimpleString):
        return node
    if isinstance(node, cst.FormattedString) and node.parts:
        last = node.parts[-1]
        return last if isinstance(last, cst.FormattedStringText) else None
    if isinstance(node, cst.ConcatenatedString):
        return last_string(node.right)
    if isinstance(node, cst.BinaryOperation):
        if isinstance(node.operator, cst.Add | cst.Divide):
            return last_string(node.right)
        if isinstance(node.operator, cst.Modulo):
            return last_string(node.left)
    if isinstance(node, cst.Call) and node.args and not call_edits.has_stars(node):
        name = node.func.attr.value if isinstance(node.func, cst.Attribute) else ""
        if name == "format" and isinstance(node.func, cst.Attribute):
            return last_string(node.func.value)
        # `"/".join(parts)` has its text elsewhere.
        is_path = name == "join" and not isinstance(
            node.func.value if isinstance(node.func, cst.Attribute) else None, cst.SimpleString
        )
        if is_path or (isinstance(node.func, cst.Name) and node.func.value in ("Path", "str")):
            return last_string(node.args[-1].value)
    return None


def texts_in(node: cst.CSTNode) -> Iterator[Text]:
    """All pieces of text within an expression."""
    if isinstance(node, cst.SimpleString | cst.FormattedStringText):
        yield node
    for child in node.children:
        yield from texts_in(child)

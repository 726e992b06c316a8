"""Edits of the arguments of a call, with its comments and line breaks kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import libcst as cst

# The column of arguments with which no line is aligned.
NO_COLUMN = 1_000_000

CallEdit = Callable[[cst.Call], cst.Call]


def keyword_names(call: cst.Call) -> set[str]:
    """Returns the names of the keyword arguments."""
    return {arg.keyword.value for arg in call.args if arg.keyword is not None}


def positional_args(call: cst.Call) -> list[cst.Arg]:
    """Returns the positional arguments, without `*args`."""
    return [arg for arg in call.args if arg.keyword is None and not arg.star]


def has_starred(call: cst.Call, star: str = "*") -> bool:
    """Whether the call has `*args` or, with `star="**"`, `**kwargs`."""
    return any(arg.star == star for arg in call.args)


def find_argument(call: cst.Call, keyword: str, position: int | None = None) -> cst.Arg | None:
    """Returns the argument with a name or, if there is none, at a position (from 0)."""
    for arg in call.args:
        if arg.keyword is not None and arg.keyword.value == keyword:
            return arg
    if position is not None and not has_starred(call):
        args = positional_args(call)
        if position < len(args):
            return args[position]
    return None


def rename_keywords(call: cst.Call, names: Mapping[str, str]) -> cst.Call:
    """Renames keyword arguments.

    Args:
        call: the call.
        names: a mapping of old to new names.
    """
    return call.with_changes(
        args=[
            arg
            if arg.keyword is None or arg.keyword.value not in names
            else arg.with_changes(keyword=arg.keyword.with_changes(value=names[arg.keyword.value]))
            for arg in call.args
        ]
    )


def name_positional_args(call: cst.Call, names: Mapping[int, str]) -> cst.Call:
    """Turns positional arguments into keyword arguments.

    Args:
        call: the call.
        names: a mapping of positions (from 0) to names.
    """
    args = list(call.args)
    for position, name in names.items():
        args[position] = args[position].with_changes(
            keyword=cst.Name(name),
            equal=cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace("")),
        )
    return call.with_changes(args=args)


def append_keyword(call: cst.Call, name: str, value: str) -> cst.Call:
    """Appends a keyword argument.

    Args:
        call: the call.
        name: the name of the argument.
        value: the source text of its value.
    """
    new = cst.Arg(
        cst.parse_expression(value),
        keyword=cst.Name(name),
        equal=cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace("")),
    )
    if not call.args:
        return call.with_changes(args=[new])
    last = call.args[-1]
    new = new.with_changes(comma=last.comma, whitespace_after_arg=last.whitespace_after_arg)
    previous = last.with_changes(
        comma=cst.Comma(whitespace_after=cst.SimpleWhitespace(" ")),
        whitespace_after_arg=cst.SimpleWhitespace(""),
    )
    return call.with_changes(args=[*call.args[:-1], previous, new])


def remove_keyword(call: cst.Call, keyword: str) -> cst.Call:
    """Removes a keyword argument; comments next to it stay."""
    args = list(call.args)
    number = next(
        n for n, arg in enumerate(args) if arg.keyword is not None and arg.keyword.value == keyword
    )
    removed = args.pop(number)
    after = removed.comma.whitespace_after if isinstance(removed.comma, cst.Comma) else None
    if not number:
        if not args and isinstance(after, cst.ParenthesizedWhitespace):
            return call.with_changes(args=[], whitespace_before_args=after)
        if _comments(after):
            before = _join(call.whitespace_before_args, after)
            return call.with_changes(args=args, whitespace_before_args=before)
        return call.with_changes(args=args)
    previous = args[number - 1]
    assert isinstance(previous.comma, cst.Comma)
    between = previous.comma.whitespace_after
    if number < len(args):
        if _comments(after):
            comma = previous.comma.with_changes(whitespace_after=_join(between, after))
            args[number - 1] = previous.with_changes(comma=comma)
        return call.with_changes(args=args)
    # The removed one was the last. The whitespace before `)` stays there.
    if isinstance(removed.comma, cst.Comma):
        kept = _join(between, after) if _comments(between) else after
        args[number - 1] = previous.with_changes(
            comma=removed.comma.with_changes(whitespace_after=kept)
        )
    else:
        end = removed.whitespace_after_arg
        args[number - 1] = previous.with_changes(
            comma=cst.MaybeSentinel.DEFAULT,
            whitespace_after_arg=_join(between, end) if _comments(between) else end,
        )
    return call.with_changes(args=args)


def remover(keyword: str) -> CallEdit:
    """Returns an edit that removes a keyword argument."""
    return lambda call: remove_keyword(call, keyword)


def appender(keyword: str, code: str) -> CallEdit:
    """Returns an edit that appends a keyword argument."""
    return lambda call: append_keyword(call, keyword, code)


def method_to_function(call: cst.Call, function: str, column: int, new_column: int) -> cst.Call:
    """Turns `a.method(...)` into `function(a, ...)`, and aligns lines with the new `(`.

    Args:
        call: the call of the method.
        function: the dotted name of the function.
        column: the column where the arguments began in their line before.
        new_column: the column where they begin now.
    """
    assert isinstance(call.func, cst.Attribute)
    before = call.whitespace_before_args
    first = cst.Arg(call.func.value)
    if call.args:
        space: cst.BaseParenthesizableWhitespace = cst.SimpleWhitespace(" ")
        if isinstance(before, cst.ParenthesizedWhitespace):
            space = before.with_changes(first_line=cst.TrailingWhitespace(), empty_lines=[])
        first = first.with_changes(comma=cst.Comma(whitespace_after=space))
    inserted = len(cst.Module([]).code_for_node(call.func.value)) + len(", ")
    args = realign(call, column, new_column, inserted).args
    name, _, attribute = function.rpartition(".")
    func: cst.BaseExpression = cst.Name(attribute)
    if name:
        func = cst.Attribute(cst.Name(name), cst.Name(attribute))
    return call.with_changes(func=func, args=[first, *args])


def realign(call: cst.Call, column: int, new_column: int, inserted: int = 0) -> cst.Call:
    """Moves the lines that are aligned with arguments by as much as the arguments move.

    Args:
        call: the call.
        column: the column where the arguments began in their line before, without the indentation
            of the block.
        new_column: the column where they begin now.
        inserted: the number of characters that are inserted before the first argument.
    """
    if isinstance(call.whitespace_before_args, cst.ParenthesizedWhitespace):
        return call  # no line is aligned with `(`
    args = []
    lines = _LineShift(column, new_column - column + inserted)
    for arg in call.args:
        new = cst.ensure_type(arg.visit(lines), cst.Arg)
        if isinstance(arg.comma, cst.Comma):
            space = arg.comma.whitespace_after
            if isinstance(space, cst.ParenthesizedWhitespace):
                lines.shift = new_column - column if _width(space) >= column else 0
            space = _shift_space(space, column, new_column - column)
            new = new.with_changes(comma=arg.comma.with_changes(whitespace_after=space))
        end = _shift_space(arg.whitespace_after_arg, column, new_column - column)
        args.append(new.with_changes(whitespace_after_arg=end))
    return call.with_changes(args=args)


class _LineShift(cst.CSTTransformer):
    """Moves lines within arguments by as much as the line before, if they are aligned with it.

    Attributes:
        shift: the number of characters by which the current line is moved.
    """

    def __init__(self, column: int, shift: int) -> None:
        super().__init__()
        self._column = column
        self.shift = shift

    def leave_ParenthesizedWhitespace(
        self,
        original_node: cst.ParenthesizedWhitespace,
        updated_node: cst.ParenthesizedWhitespace,
    ) -> cst.BaseParenthesizableWhitespace:
        """Moves the line after a line break."""
        if _width(updated_node) < self._column:
            self.shift = 0
        return _shift_space(updated_node, self._column, self.shift)

    def visit_SimpleString(self, node: cst.SimpleString) -> None:
        """Notes that the last line of a string is not moved."""
        if "\n" in node.value:
            self.shift = 0

    def visit_FormattedStringText(self, node: cst.FormattedStringText) -> None:
        """Notes that the last line of a string is not moved."""
        if "\n" in node.value:
            self.shift = 0


def _width(space: cst.ParenthesizedWhitespace) -> int:
    """Returns the column of the line after a line break, or -1 if it is not known."""
    # `last_line` does not include the indentation of the block.
    text = space.last_line.value
    return len(text) if space.indent and not text.strip(" ") else -1


def _shift_space(
    space: cst.BaseParenthesizableWhitespace, column: int, shift: int
) -> cst.BaseParenthesizableWhitespace:
    if not isinstance(space, cst.ParenthesizedWhitespace) or _width(space) < column:
        return space
    comments = [
        line.with_changes(
            whitespace=cst.SimpleWhitespace(" " * max(len(line.whitespace.value) + shift, 0))
        )
        if line.comment is not None
        and line.indent
        and line.whitespace.value == " " * len(line.whitespace.value)
        and len(line.whitespace.value) >= column
        else line
        for line in space.empty_lines
    ]
    width = max(_width(space) + shift, 0)
    return space.with_changes(empty_lines=comments, last_line=cst.SimpleWhitespace(" " * width))


def _comments(space: cst.BaseParenthesizableWhitespace | None) -> list[cst.Comment]:
    if not isinstance(space, cst.ParenthesizedWhitespace):
        return []
    comments = [space.first_line.comment, *(line.comment for line in space.empty_lines)]
    return [comment for comment in comments if comment is not None]


def _join(
    before: cst.BaseParenthesizableWhitespace, after: cst.BaseParenthesizableWhitespace | None
) -> cst.BaseParenthesizableWhitespace:
    """Joins two whitespaces and their comments; the indentation is that of the second."""
    if not isinstance(after, cst.ParenthesizedWhitespace):
        return before
    if not isinstance(before, cst.ParenthesizedWhitespace):
        return after
    if not _comments(before):
        return after
    lines = [
        *before.empty_lines,
        *(cst.EmptyLine(comment=comment) for comment in _comments(after)),
    ]
    return before.with_changes(empty_lines=lines, last_line=after.last_line)

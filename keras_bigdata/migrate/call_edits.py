"""Changing the arguments of a call, with its comments and line breaks kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import libcst as cst

CallEdit = Callable[[cst.Call], cst.Call]


def keyword_names(call: cst.Call) -> set[str]:
    """The names of the keyword arguments."""
    return {arg.keyword.value for arg in call.args if arg.keyword is not None}


def positional(call: cst.Call) -> list[cst.Arg]:
    """The positional arguments, without `*args`."""
    return [arg for arg in call.args if arg.keyword is None and not arg.star]


def has_stars(call: cst.Call, star: str = "*") -> bool:
    """Whether there are `*args` (or, with `**`, keywords that are not written out)."""
    return any(arg.star == star for arg in call.args)


def argument(call: cst.Call, keyword: str, position: int | None = None) -> cst.Arg | None:
    """The argument given by a name, or at a position (from 0)."""
    for arg in call.args:
        if arg.keyword is not None and arg.keyword.value == keyword:
            return arg
    if position is not None and not has_stars(call):
        given = positional(call)
        if position < len(given):
            return given[position]
    return None


def renamed(call: cst.Call, names: Mapping[str, str]) -> cst.Call:
    """The call with keywords renamed."""
    return call.with_changes(
        args=[
            arg
            if arg.keyword is None or arg.keyword.value not in names
            else arg.with_changes(keyword=arg.keyword.with_changes(value=names[arg.keyword.value]))
            for arg in call.args
        ]
    )


def with_keywords(call: cst.Call, names: Mapping[int, str]) -> cst.Call:
    """The call with the positional arguments at these positions given by name instead."""
    args = list(call.args)
    for position, name in names.items():
        args[position] = args[position].with_changes(
            keyword=cst.Name(name),
            equal=cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace("")),
        )
    return call.with_changes(args=args)


def with_keyword(call: cst.Call, name: str, value: str) -> cst.Call:
    """The call with one more argument at its end."""
    new = cst.Arg(
        cst.parse_expression(value),
        keyword=cst.Name(name),
        equal=cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace("")),
    )
    if not call.args:
        return call.with_changes(args=[new])
    last = call.args[-1]
    new = new.with_changes(comma=last.comma, whitespace_after_arg=last.whitespace_after_arg)
    before = last.with_changes(
        comma=cst.Comma(whitespace_after=cst.SimpleWhitespace(" ")),
        whitespace_after_arg=cst.SimpleWhitespace(""),
    )
    return call.with_changes(args=[*call.args[:-1], before, new])


def without(call: cst.Call, keyword: str) -> cst.Call:
    """The call without a keyword argument; comments beside it stay."""
    args = list(call.args)
    number = next(
        n for n, arg in enumerate(args) if arg.keyword is not None and arg.keyword.value == keyword
    )
    gone = args.pop(number)
    after = gone.comma.whitespace_after if isinstance(gone.comma, cst.Comma) else None
    if not number:
        if not args and isinstance(after, cst.ParenthesizedWhitespace):
            return call.with_changes(args=[], whitespace_before_args=after)
        if _comments(after):
            before = _joined(call.whitespace_before_args, after)
            return call.with_changes(args=args, whitespace_before_args=before)
        return call.with_changes(args=args)
    previous = args[number - 1]
    assert isinstance(previous.comma, cst.Comma)
    between = previous.comma.whitespace_after
    if number < len(args):
        if _comments(after):
            comma = previous.comma.with_changes(whitespace_after=_joined(between, after))
            args[number - 1] = previous.with_changes(comma=comma)
        return call.with_changes(args=args)
    # The last one: what stood before `)` stands there again.
    if isinstance(gone.comma, cst.Comma):
        kept = _joined(between, after) if _comments(between) else after
        args[number - 1] = previous.with_changes(
            comma=gone.comma.with_changes(whitespace_after=kept)
        )
    else:
        end = gone.whitespace_after_arg
        args[number - 1] = previous.with_changes(
            comma=cst.MaybeSentinel.DEFAULT,
            whitespace_after_arg=_joined(between, end) if _comments(between) else end,
        )
    return call.with_changes(args=args)


def as_function(call: cst.Call, function: str, column: int, new_column: int) -> cst.Call:
    """`a.method(...)` as `function(a, ...)`, lines that were aligned with `(` aligned again.

    Args:
        call: the call of the method.
        function: the dotted name of the function.
        column: where arguments began in the line before.
        new_column: where they begin in the line now.
    """
    assert isinstance(call.func, cst.Attribute)
    before = call.whitespace_before_args
    first = cst.Arg(call.func.value)
    if call.args:
        space: cst.BaseParenthesizableWhitespace = cst.SimpleWhitespace(" ")
        if isinstance(before, cst.ParenthesizedWhitespace):
            space = before.with_changes(first_line=cst.TrailingWhitespace(), empty_lines=[])
        first = first.with_changes(comma=cst.Comma(whitespace_after=space))
    args = realigned(call, column, new_column).args
    name, _, attribute = function.rpartition(".")
    func: cst.BaseExpression = cst.Name(attribute)
    if name:
        func = cst.Attribute(cst.Name(name), cst.Name(attribute))
    return call.with_changes(func=func, args=[first, *args])


def realigned(call: cst.Call, column: int, new_column: int) -> cst.Call:
    """The call with the lines that were aligned with `(` aligned with it where it is now."""
    return call.with_changes(args=[_aligned(arg, column, new_column) for arg in call.args])


def _aligned(arg: cst.Arg, column: int, new_column: int) -> cst.Arg:
    if isinstance(arg.comma, cst.Comma):
        space = _moved(arg.comma.whitespace_after, column, new_column)
        arg = arg.with_changes(comma=arg.comma.with_changes(whitespace_after=space))
    end = _moved(arg.whitespace_after_arg, column, new_column)
    return arg.with_changes(whitespace_after_arg=end)


def _moved(
    space: cst.BaseParenthesizableWhitespace, column: int, new_column: int
) -> cst.BaseParenthesizableWhitespace:
    # The block's own indentation comes on top of `last_line`.
    if (
        not isinstance(space, cst.ParenthesizedWhitespace)
        or not space.indent
        or space.last_line.value != " " * column
    ):
        return space
    return space.with_changes(last_line=cst.SimpleWhitespace(" " * new_column))


def _comments(space: cst.BaseParenthesizableWhitespace | None) -> list[cst.Comment]:
    if not isinstance(space, cst.ParenthesizedWhitespace):
        return []
    found = [space.first_line.comment, *(line.comment for line in space.empty_lines)]
    return [comment for comment in found if comment is not None]


def _joined(
    before: cst.BaseParenthesizableWhitespace, after: cst.BaseParenthesizableWhitespace | None
) -> cst.BaseParenthesizableWhitespace:
    """Both spaces with the comments of both; what follows stands where it did."""
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

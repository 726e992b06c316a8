"""Finds the positions of values in a JSON text, so that some can be replaced and others kept."""

from __future__ import annotations

import json
import re

Span = tuple[int, int]

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def value_span(text: str, position: int = 0) -> Span:
    """Returns the span of the value that starts at a position, without the space before it.

    Raises:
        json.JSONDecodeError: if the text there is not JSON.
    """
    start = _skip_space(text, position)
    return start, _DECODER.raw_decode(text, start)[1]


def member_spans(text: str, start: int) -> dict[str, Span]:
    """Returns the spans of the values of the object that starts at a position, by their keys.

    The text must have been decoded before, so that it is known to be valid.
    """
    spans: dict[str, Span] = {}
    position = _skip_space(text, start + 1)
    while text[position] != "}":
        key, position = _DECODER.raw_decode(text, position)
        position = _skip_space(text, position) + 1  # the colon
        spans[key] = value_span(text, position)
        position = _next_item(text, spans[key][1])
    return spans


def element_spans(text: str, start: int) -> list[Span]:
    """Returns the spans of the values of the array that starts at a position."""
    spans: list[Span] = []
    position = _skip_space(text, start + 1)
    while text[position] != "]":
        spans.append(value_span(text, position))
        position = _next_item(text, spans[-1][1])
    return spans


def _next_item(text: str, position: int) -> int:
    position = _skip_space(text, position)
    return _skip_space(text, position + 1) if text[position] == "," else position


def _skip_space(text: str, position: int) -> int:
    match = _SPACE.match(text, position)
    assert match is not None
    return match.end()

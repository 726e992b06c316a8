"""Short texts and HTML tables that describe objects, whatever the objects hold."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from keras_bigdata.representation import (
    format_bytes,
    format_count,
    format_shape,
    html_table,
    list_some,
    shorten,
)


def parse(html: str) -> dict[str, list[str]]:
    """Returns the rows of a table: name -> lines."""
    table = ET.fromstring(html.replace("<br>", "<br/>"))
    assert table.tag == "table"
    rows = {}
    for row in table.iter("tr"):
        head, cell = list(row)
        assert (head.tag, cell.tag) == ("th", "td")
        rows[head.text or ""] = [cell.text or "", *(line.tail or "" for line in cell)]
    return rows


def test_a_table_has_a_row_for_each_item():
    html = html_table("Index", {"rows": 3, "fields": ["a", "b"], "roles": {"x": "a"}, "no": None})
    assert parse(html) == {"rows": ["3"], "fields": ["a", "b"], "roles": ["x: a"]}
    assert "<caption>Index</caption>" in html


def test_all_texts_are_escaped():
    evil = '<script>alert("1")</script>&'
    html = html_table(evil, {evil: evil, "list": [evil], "dict": {evil: evil}})
    assert "<script" not in html
    assert parse(html)[evil] == [evil]
    assert parse(html)["dict"] == [f"{evil}: {evil}"]


def test_a_table_does_not_grow_with_its_values():
    value = ["x" * 10_000] * 10_000
    html = html_table("Large", {"list": value, "dict": dict(enumerate(value)), "text": "x" * 10**6})
    lines = parse(html)
    assert len(html) < 10_000
    assert lines["list"][-1] == lines["dict"][-1] == "... (9,990 more)"
    assert lines["text"][0] == "x" * 197 + "..."


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1400, "1.4 KB"), (66_123_456, "66.1 MB"), (2e15, "2000.0 TB")],
)
def test_sizes(count, text):
    assert format_bytes(count) == text


def test_counts():
    assert format_count(1, "shard") == "1 shard"
    assert format_count(14_112, "row") == "14,112 rows"


@pytest.mark.parametrize(
    ("shape", "text"),
    [((), "()"), ((3,), "(3,)"), ((4, 5), "(4, 5)"), ((None,), "(any,)"), ((None, 2), "(any, 2)")],
)
def test_shapes(shape, text):
    assert format_shape(shape) == text


def test_long_texts_and_lists_are_abbreviated():
    assert shorten("abc", 5) == "abc"
    assert shorten("abcdef", 5) == "ab..."
    assert list_some(["cat", "dog"]) == "cat, dog"
    assert list_some(range(1000), 2) == "0, 1, ... (998 more)"

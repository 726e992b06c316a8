"""A parser that checks HTML pages."""

from __future__ import annotations

from html.parser import HTMLParser

# Elements without an end tag.
_VOID = {"meta", "br", "img"}


class Checker(HTMLParser):
    """Checks that elements are closed in order, that ids are unique, and that nothing is loaded."""

    def __init__(self):
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.text = ""

    def handle_starttag(self, tag, attrs):
        if tag not in _VOID:
            self.open.append(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value)
            if name in ("src", "href", "xlink:href"):
                assert value.startswith(("#", "data:")), value
        assert tag not in ("script", "link", "iframe")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data + "\n"

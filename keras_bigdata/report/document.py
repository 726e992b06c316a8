"""The HTML around the content of a page."""

from __future__ import annotations

import html

from keras_bigdata.report.style import CSS


def html_document(title: str, content: str) -> str:
    """Returns a complete page that needs no network.

    Args:
        title: plain text.
        content: HTML.
    """
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{CSS}</style>\n</head>\n<body>\n<main>\n"
        f"{content}\n</main>\n</body>\n</html>\n"
    )

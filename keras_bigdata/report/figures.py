"""Plots as SVG that follows the colors of the page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

from keras_bigdata.plots.drawing import ACCENT, INK, LINE_COLORS

# Colors of the plots -> those of the page, which differ in dark mode.
_COLORS = {
    re.compile("#(000000|333333|4d4d4d)"): "currentColor",
    re.compile("#d9d9d9"): "var(--rule)",
    re.compile(re.escape(INK)): "var(--line)",
    re.compile(re.escape(ACCENT)): "var(--accent-line)",
    **{re.compile(LINE_COLORS[number]): f"var(--line-{number})" for number in range(2, 6)},
}
_HEAD = re.compile(r"^.*?(?=<svg)", re.DOTALL)
_IDENTIFIER = re.compile(r'(id="|url\(#|href="#)')


def svg(draw: Callable[[], Any], number: int, description: str) -> str:
    """Returns a plot as an SVG element.

    Args:
        draw: function that draws the plot and returns the axes.
        number: number of the figure in its page, which makes its identifiers unique.
        description: text for readers who cannot see the plot.
    """
    from matplotlib import pyplot, rc_context

    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "keras_bigdata"}):
        axes = draw()
        file = io.StringIO()
        axes.figure.savefig(
            file, format="svg", transparent=True, metadata={"Date": None, "Creator": None}
        )
        pyplot.close(axes.figure)
    text = _HEAD.sub("", file.getvalue(), count=1)
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(<svg[^>]*?)\s+width="[^"]*"', r"\1", text, count=1)
    text = re.sub(r'(<svg[^>]*?)\s+height="[^"]*"', r"\1", text, count=1)
    text = _IDENTIFIER.sub(rf"\g<1>f{number}-", text)
    for color, replacement in _COLORS.items():
        text = color.sub(replacement, text)
    # Text has no color of its own in the SVG: it would be black.
    return text.replace(
        "<svg ", f'<svg role="img" aria-label="{description}" fill="currentColor" ', 1
    )

"""The record of a training as one HTML page."""

from __future__ import annotations

import html
import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from keras_bigdata import plots
from keras_bigdata.plots.score_direction import direction_of_score
from keras_bigdata.report.document import html_document
from keras_bigdata.report.figures import svg
from keras_bigdata.report.run_record import read_run
from keras_bigdata.representation import format_bytes, format_seconds

# Scores that are drawn; the others stand in the table.
_MAX_PLOTS = 4


def report_page(
    directory: str | os.PathLike[str], storage_options: Mapping[str, Any] | None = None
) -> str:
    """Returns a page about a training: its scores, its input, its data and its settings.

    The page is one file without scripts, and needs no network.

    Args:
        directory: path or URL of the `directory` of an `InputReport`.
        storage_options: options of the fsspec driver of a URL. Defaults to `None`.

    Returns:
        The HTML.

    Raises:
        BigDataError: if there is no record of a training.
        ImportError: if matplotlib is not installed.

    Example:

    ```python
    Path("report.html").write_text(report_page("runs/1"), encoding="utf-8")
    ```
    """
    run = read_run(directory, storage_options)
    epochs = run["epochs"]
    title = f"Training of {run['model'].get('name')}"
    written = time.strftime("%Y-%m-%d %H:%M", time.localtime(run.get("written", 0)))
    body = [
        f"<h1>{_text(title)}</h1>",
        f'<p class="when">{_text(run["data"].get("sequence", ""))}, {written}</p>',
    ]
    if epochs:
        monitors = _monitors(epochs)
        best = _best_epoch(epochs, monitors[0]) if monitors else None
        body += [
            _summary(epochs, monitors, best),
            "<h2>Scores</h2>",
            _figures(epochs, monitors),
            "<h2>Epochs</h2>",
            _epoch_table(epochs, best),
        ]
    else:
        body.append("<p>No epoch has ended yet.</p>")
    for name in ("data", "order", "model", "software"):
        body += [f"<h2>{name.capitalize()}</h2>", _table(run[name])]
    return html_document(title, "\n".join(body))


def _text(value: Any) -> str:
    return html.escape(str(value))


def _monitors(epochs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns the scores without `val_`: those that have a validation first, the loss before."""
    names = [n for n in epochs[-1]["logs"] if not n.startswith("val_")]
    names = [n for n in names if n not in ("input_wait", "learning_rate")]
    validated = [n for n in names if f"val_{n}" in epochs[-1]["logs"]]
    return sorted(names, key=lambda name: (name not in validated, name != "loss"))


def _best_epoch(epochs: Sequence[Mapping[str, Any]], monitor: str) -> int | None:
    key = f"val_{monitor}" if f"val_{monitor}" in epochs[-1]["logs"] else monitor
    values = [(each["logs"].get(key), number) for number, each in enumerate(epochs)]
    known = [(value, number) for value, number in values if value is not None]
    direction = direction_of_score(key)
    if not known or direction is None:
        return None
    return (min if direction == "min" else max)(known, key=lambda pair: pair[0])[1]


def _summary(epochs: Sequence[Mapping[str, Any]], monitors: Sequence[str], best: int | None) -> str:
    seconds = sum(each["seconds"] for each in epochs)
    known = [each for each in epochs if each["wait"] is not None]
    waited = sum(each["wait"] * each["seconds"] for each in known)
    items = [("epochs", f"{len(epochs)}"), ("time of training", format_seconds(seconds))]
    if known:
        share = waited / sum(each["seconds"] for each in known)
        items.append(("waited for data", f"{share:.0%}"))
    rows = sum(each["rows"] for each in epochs)
    if seconds:
        items.append(("samples per second", f"{rows / seconds:,.0f}"))
    if best is not None:
        logs = epochs[best]["logs"]
        for name in monitors[:2]:
            key = f"val_{name}" if f"val_{name}" in logs else name
            items.append((f"{key}, epoch {epochs[best]['epoch'] + 1}", _number(logs.get(key))))
    return (
        '<dl class="summary">'
        + "".join(f"<div><dt>{_text(n)}</dt><dd>{_text(v)}</dd></div>" for n, v in items)
        + "</dl>"
    )


def _figures(epochs: Sequence[Mapping[str, Any]], monitors: Sequence[str]) -> str:
    scores: dict[str, list[Any]] = {}
    for name in epochs[-1]["logs"]:
        scores[name] = [each["logs"].get(name) for each in epochs]

    def draw_score(name: str) -> Callable[[], Any]:
        return lambda: plots.training(scores, name)

    drawn = [
        svg(draw_score(name), number, _text(f"{name} of each epoch"))
        for number, name in enumerate(monitors[:_MAX_PLOTS])
    ]
    drawn.append(
        svg(lambda: plots.input(epochs), len(drawn), "time of each epoch, and waiting for data")
    )
    return '<div class="figures">' + "".join(f"<figure>{one}</figure>" for one in drawn) + "</div>"


def _epoch_table(epochs: Sequence[Mapping[str, Any]], best: int | None) -> str:
    names = [name for name in epochs[-1]["logs"] if name != "input_wait"]
    heads = ["epoch", "time", "samples/s", "waited", "limit", "memory", *names]
    rows = []
    for number, each in enumerate(epochs):
        cells = [
            f"{each['epoch'] + 1}",
            format_seconds(each["seconds"]),
            f"{each['samples_per_second']:,.0f}",
            "unknown" if each["wait"] is None else f"{each['wait']:.0%}",
            each["limit"],
            format_bytes(each["peak_memory"]),
            *(_number(each["logs"].get(name)) for name in names),
        ]
        mark = ' class="best"' if number == best else ""
        columns = "".join(f'<td class="number">{_text(cell)}</td>' for cell in cells)
        rows.append(f"<tr{mark}>{columns}</tr>")
    head = "".join(f'<th scope="col" class="number">{_text(name)}</th>' for name in heads)
    return (
        '<div class="scroll" tabindex="0" role="region" aria-label="table of all epochs"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _table(values: Mapping[str, Any]) -> str:
    rows = [
        f'<tr><th scope="row">{_text(name)}</th><td>{_text(value)}</td></tr>'
        for name, value in values.items()
        if value is not None
    ]
    return f'<div class="scroll"><table><tbody>{"".join(rows)}</tbody></table></div>'


def _number(value: Any) -> str:
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.4g}"

"""Names of losses and metrics in `compile` that Keras 3 does not know."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.keras_version import version_of_script
from keras_bigdata.migrate.script import Script
from keras_bigdata.migrate.strings import edit_text, text_of
from keras_bigdata.old_keras.compiled_names import (
    BATCH_METRICS,
    BATCH_METRICS_IN_KERAS_3,
    CROSSENTROPIES,
    CROSSENTROPY,
    LOSS_NAMES,
    LOSSES_AS_METRICS,
)


def plan(script: Script) -> None:
    """Changes names of losses, and notes what to write for metrics."""
    if not script.uses_keras:
        return
    for call in script.calls:
        if script.method_of(call) != "compile":
            continue
        _plan_losses(script, call)
        for name in ("metrics", "weighted_metrics"):
            argument = call_edits.find_argument(call, name, 2 if name == "metrics" else None)
            if argument is not None:
                _note_metrics(script, argument)


def _plan_losses(script: Script, call: cst.Call) -> None:
    argument = call_edits.find_argument(call, "loss", 1)
    if argument is None:
        return
    written_here = list(_names(argument.value))
    for text in written_here or _names(script.value_of(argument.value)):
        new = LOSS_NAMES.get(text_of(text))
        if new is None:
            continue
        if text in written_here:
            edit_text(script, text, LOSS_NAMES.__getitem__)
        else:  # the name may be used for something else too
            script.note(text, f"compile: the loss {text_of(text)!r} is {new!r} in Keras 3.")


def _note_metrics(script: Script, argument: cst.Arg) -> None:
    for text in _names(script.value_of(argument.value)):
        name = text_of(text)
        if name in LOSSES_AS_METRICS:
            function, logged = LOSSES_AS_METRICS[name]
            what = (
                f"write keras.metrics.MeanMetricWrapper(keras.losses.{function}, name={logged!r}), "
                "which is logged under the old name."
            )
        elif name in BATCH_METRICS:
            what = (
                "Keras 1 computed it batch by batch. Write a function of (y_true, y_pred), or "
                "keras.metrics.F1Score, which is computed over all rows."
            )
        elif name in CROSSENTROPY:
            what = f"write the one that is meant: {', '.join(map(repr, CROSSENTROPIES))}."
        else:
            if name in BATCH_METRICS_IN_KERAS_3 and version_of_script(script) == "1":
                script.note(
                    text,
                    f"compile: {name!r} was the mean over batches in Keras 1, and is computed over "
                    "all rows in Keras 3.",
                )
            continue
        script.note(text, f"compile: Keras 3 has no metric {name!r}: {what}")


def _names(node: cst.BaseExpression) -> Iterator[cst.SimpleString]:
    """Yields the literals in a name, a list of names, or a dict of them, but not its keys."""
    if isinstance(node, cst.SimpleString):
        yield node
    elif isinstance(node, cst.List | cst.Tuple):
        for element in node.elements:
            yield from _names(element.value)
    elif isinstance(node, cst.Dict):
        for entry in node.elements:
            yield from _names(entry.value)

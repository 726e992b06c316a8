"""Code that runs on Keras 3 but computes something else than on `keras` 1 and 2."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.keras_version import imports_keras_package
from keras_bigdata.migrate.script import Script
from keras_bigdata.migrate.strings import iterate_texts, text_of
from keras_bigdata.old_keras.keras_2_layers import HARD_GATES
from keras_bigdata.old_keras.layers import LAYERS

_WEIGHTED = {"fit", "evaluate", "train_on_batch", "test_on_batch"}


def plan(script: Script) -> None:
    """Adds one note for each kind of change, where it first occurs."""
    noted: set[str] = set()
    freezes = any(
        isinstance(target.target, cst.Attribute) and target.target.attr.value == "trainable"
        for node in script.all(cst.Assign)
        for target in node.targets
    )
    for call in script.calls:
        written = script.written_name(call.func) or script.full_name(call.func)
        name = written.rpartition(".")[2] if written.startswith("keras.") else ""
        for kind, message in _messages(script, call, name, freezes):
            if kind not in noted:
                noted.add(kind)
                script.note(call, message)
    for node in script.all(cst.SimpleString):
        if text_of(node) == "hard_sigmoid" and script.uses_keras:
            script.note(
                node,
                "SILENT CHANGE: hard_sigmoid was 0.2 * x + 0.5 (clipped to 0 and 1) in Keras 1 and "
                "2 and is x / 6 + 0.5 in Keras 3. For the former, define "
                "def hard_sigmoid(x): return keras.ops.clip(0.2 * x + 0.5, 0, 1) and pass the "
                "function.",
            )


def _messages(
    script: Script, call: cst.Call, name: str, freezes: bool
) -> Iterator[tuple[str, str]]:
    """Yields the kind and the text of each note on a call."""
    keywords = call_edits.keyword_names(call)
    gates = {"recurrent_activation", "inner_activation"}
    # Calls of Keras 1 get the former gates by the rule of layers.
    is_keras_1 = name in LAYERS and bool(LAYERS[name].only_old & keywords)
    if name in HARD_GATES and not keywords & gates and not is_keras_1:
        old, new = (" and reset_after=False", " and True") if "GRU" in name else ("", "")
        yield (
            name,
            f"SILENT CHANGE: {name} of `keras` 1 and 2 had recurrent_activation='hard_sigmoid' "
            f"(0.2 * x + 0.5){old} by default; Keras 3 has 'sigmoid'{new}. It trains similarly, "
            "but the outputs with weights that Keras 1 or 2 saved differ.",
        )
    if name == "BatchNormalization" and freezes:
        yield (
            name,
            "SILENT CHANGE: a BatchNormalization that is not trainable normalized with the mean "
            "and variance of each batch in training in `keras` 1 and 2. In Keras 3 it uses its "
            "moving averages. keras_bigdata.legacy.install() keeps the former.",
        )
    is_old = imports_keras_package(script)
    is_summed = is_keras_1 or "SummedOverBatch" in script.code(call)
    if name and "activity_regularizer" in keywords and is_old and not is_summed:
        yield (
            "activity_regularizer",
            "SILENT CHANGE: the loss of activity_regularizer was summed over the rows of a batch "
            "in `keras` until 2.2; Keras 3 divides it by the number of rows. For the former, write "
            "activity_regularizer=SummedOverBatch(...), from keras_bigdata.legacy.layers.",
        )
    method = script.method_of(call)
    if method in _WEIGHTED and "sample_weight" in keywords and is_old:
        yield (
            "sample_weight",
            "SILENT CHANGE if some weights are zero: `keras` 1 and 2 divided the loss of a batch "
            "by the number of weights that are not zero; Keras 3 divides it by the number of rows. "
            "keras_bigdata.legacy.install() keeps the former.",
        )
    if (
        method == "compile"
        and _has_binary_accuracy(script, call)
        and not _has_single_output(script)
    ):
        yield (
            "accuracy",
            "SILENT CHANGE: 'accuracy' with binary_crossentropy was the accuracy of the single "
            "numbers in `keras` 1 and 2. With several outputs, Keras 3 compares the positions of "
            "the greatest numbers. Write metrics=[keras.metrics.BinaryAccuracy(name='accuracy')] "
            "for the former.",
        )


def _has_binary_accuracy(script: Script, call: cst.Call) -> bool:
    loss = call_edits.find_argument(call, "loss", 1)
    metrics = call_edits.find_argument(call, "metrics", 2)
    if loss is None or metrics is None or not imports_keras_package(script):
        return False
    losses = [text_of(node) for node in iterate_texts(script.value_of(loss.value))]
    names = [text_of(node) for node in iterate_texts(script.value_of(metrics.value))]
    return "binary_crossentropy" in losses and bool({"accuracy", "acc"} & set(names))


def _has_single_output(script: Script) -> bool:
    """Whether a Dense layer has one unit, which is then most likely the output."""
    for call in script.calls:
        if script.keras_name(call.func) == "Dense":
            units = call_edits.find_argument(call, "units", 0)
            units = units or call_edits.find_argument(call, "output_dim")
            if units is not None and script.code(units.value) == "1":
                return True
    return False

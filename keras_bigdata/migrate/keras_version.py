"""Determines whether code was written for Keras 1 or for Keras 2.

The same position in a call may be a number of samples in Keras 1 and of batches in Keras 2.
"""

from __future__ import annotations

import re
from typing import Literal

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script
from keras_bigdata.old_keras.locations import canonical_name

# `""` if it is unknown, `"both"` if there are signs of both.
KerasVersion = Literal["", "1", "2", "both"]

# Arguments of Keras 1 that Keras 2 replaced by arguments with another meaning.
_SAMPLE_COUNTS = {"samples_per_epoch", "nb_val_samples", "val_samples"}
# Arguments of Keras 1 that Keras 2 only renamed.
RENAMED_ARGUMENTS = {
    "nb_epoch": "epochs",
    "max_q_size": "max_queue_size",
    "nb_worker": "workers",
    "pickle_safe": "use_multiprocessing",
}
_KERAS_1_ARGUMENTS = _SAMPLE_COUNTS | set(RENAMED_ARGUMENTS)
_KERAS_2_ARGUMENTS = {
    "steps_per_epoch",
    "epochs",
    "validation_steps",
    "validation_freq",
    "steps",
    "max_queue_size",
    "workers",
    "use_multiprocessing",
    "shuffle",
}

# Signs in the rest of a file: arguments of layers, and step counts. Migration changes those of
# layers only if no other rule would read the new ones as signs of Keras 2 in a second run.
_KERAS_1_SIGNS = _SAMPLE_COUNTS | {
    "W_regularizer",
    "b_regularizer",
    "border_mode",
    "dim_ordering",
    "nb_col",
    "nb_filter",
    "nb_row",
    "subsample",
}
_KERAS_2_SIGNS = {
    "data_format",
    "kernel_initializer",
    "kernel_regularizer",
    "kernel_size",
    "padding",
    "recurrent_dropout",
    "strides",
}
_STEP_COUNTS = {"steps_per_epoch", "validation_steps", "steps"}
_KERAS_2_LAYERS = re.compile(r"Conv[123]D(Transpose)?|SeparableConv2D")


def version_of_call(call: cst.Call) -> KerasVersion:
    """Returns the version of Keras that the argument names of a generator call belong to."""
    names = call_edits.keyword_names(call)
    is_keras_1 = bool(names & _KERAS_1_ARGUMENTS)
    is_keras_2 = bool(names & _KERAS_2_ARGUMENTS)
    if is_keras_1 and is_keras_2:
        # Keras 2 took the old names of renamed arguments too. If only these are old, the call was
        # written for Keras 2.
        has_other_meaning = names & _SAMPLE_COUNTS or len(call_edits.positional_args(call)) >= 2
        return "both" if has_other_meaning else "2"
    if is_keras_1:
        return "1"
    return "2" if is_keras_2 else ""


def version_of_script(script: Script) -> KerasVersion:
    """Returns the version that the rest of the file was written for.

    Returns `""` if there is no sign of a version, or if there are signs of both.
    """
    is_keras_1, is_keras_2 = _signs(script)
    if is_keras_1:
        return "" if is_keras_2 else "1"
    return "2" if is_keras_2 else ""


def has_signs_of_both(script: Script) -> bool:
    """Whether a file has signs of both versions, so that its version is unknown."""
    return all(_signs(script))


def _signs(script: Script) -> tuple[bool, bool]:
    names = {name for call in script.calls for name in call_edits.keyword_names(call)}
    is_keras_1 = bool(names & _KERAS_1_SIGNS)
    is_keras_2 = (
        bool(names & _KERAS_2_SIGNS)
        or any(_KERAS_2_LAYERS.fullmatch(name) for name in script.imported_names)
        or any(_is_keras_2_call(script, call) for call in script.calls)
    )
    return is_keras_1, is_keras_2


def _is_keras_2_call(script: Script, call: cst.Call) -> bool:
    name = script.written_name(call.func)
    if name.startswith("tensorflow.") and canonical_name(name).startswith("keras."):
        # The import rule moves names of `keras.preprocessing` to `tensorflow.keras`.
        return not canonical_name(name).startswith("keras.preprocessing.")
    return any(
        arg.keyword is not None
        and arg.keyword.value in _STEP_COUNTS
        # The generator rule removes these values when it uses Keras's own `fit`.
        and not re.match(r"len\(|None$", script.code(arg.value))
        for arg in call.args
    )

"""Whether code was written for Keras 1 or for a later release: the same position in a call may
mean samples in the one and batches in the other."""

from __future__ import annotations

import re
from typing import Literal

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.keras_names import canonical
from keras_bigdata.migrate.script import Script

Era = Literal["", "1", "2", "both"]

# Of these the values mean something else.
_SAMPLES = {"samples_per_epoch", "nb_val_samples", "val_samples"}
# These are only called otherwise.
SYNONYMS = {
    "nb_epoch": "epochs",
    "max_q_size": "max_queue_size",
    "nb_worker": "workers",
    "pickle_safe": "use_multiprocessing",
}
_CALL_1 = _SAMPLES | set(SYNONYMS)
_CALL_2 = {
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

# What the rest of a file tells it by. Only what `migrate` itself never changes, or a second run
# would see another file: arguments of layers, and counts that are written out.
_KERAS_1 = _SAMPLES | {
    "W_regularizer",
    "b_regularizer",
    "border_mode",
    "dim_ordering",
    "nb_col",
    "nb_filter",
    "nb_row",
    "subsample",
}
_KERAS_2 = {
    "data_format",
    "kernel_initializer",
    "kernel_regularizer",
    "kernel_size",
    "padding",
    "recurrent_dropout",
    "strides",
}
_STEPS = {"steps_per_epoch", "validation_steps", "steps"}
_NAMES_2 = re.compile(r"Conv[123]D(Transpose)?|SeparableConv2D")


def of_call(call: cst.Call) -> Era:
    """What the argument names of a generator call tell; `""` if nothing."""
    names = call_edits.keyword_names(call)
    era = _era(names, _CALL_1, _CALL_2)
    # Keras 2 took the old names too. Where it is only names, that is what the call was for.
    if era == "both" and not names & _SAMPLES and len(call_edits.positional(call)) < 2:
        return "2"
    return era


def of_script(script: Script) -> Era:
    """What the rest of the file tells, if it speaks with one voice; `""` otherwise."""
    names = {name for call in script.calls for name in call_edits.keyword_names(call)}
    later = (
        bool(names & _KERAS_2)
        or any(_NAMES_2.fullmatch(name) for name in script.imported)
        or any(_is_later(script, call) for call in script.calls)
    )
    if names & _KERAS_1:
        return "" if later else "1"
    return "2" if later else ""


def _is_later(script: Script, call: cst.Call) -> bool:
    full = script.qualified(call.func)
    if full.startswith("tensorflow.") and canonical(full).startswith("keras."):
        # The former home of the rest of `preprocessing` was Keras, and imports are changed.
        return not canonical(full).startswith("keras.preprocessing.")
    return any(
        arg.keyword is not None
        and arg.keyword.value in _STEPS
        # These are dropped where Keras's own `fit` takes over.
        and not re.match(r"len\(|None$", script.code(arg.value))
        for arg in call.args
    )


def _era(names: set[str], first: set[str], second: set[str]) -> Era:
    if names & first:
        return "both" if names & second else "1"
    return "2" if names & second else ""

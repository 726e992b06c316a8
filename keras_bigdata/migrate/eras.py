"""Whether code was written for Keras 1 or for a later release: the same position in a call may
mean samples in the one and batches in the other."""

from __future__ import annotations

import re
from typing import Literal

import libcst as cst

from keras_bigdata.migrate import layout
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

# Names of arguments that only one of them had, in any call of the file.
_KERAS_1 = _CALL_1 | {
    "nb_filter",
    "nb_row",
    "nb_col",
    "border_mode",
    "subsample",
    "dim_ordering",
    "W_regularizer",
    "b_regularizer",
    "nb_classes",
}
_KERAS_2 = _CALL_2 - {"shuffle", "steps", "workers"} | {
    "kernel_size",
    "kernel_initializer",
    "kernel_regularizer",
    "padding",
    "strides",
    "recurrent_dropout",
    "data_format",
}
_NAMES_2 = re.compile(r"Conv[123]D(Transpose)?|SeparableConv2D")


def of_call(call: cst.Call) -> Era:
    """What the argument names of a generator call tell; `""` if nothing."""
    names = layout.keyword_names(call)
    era = _era(names, _CALL_1, _CALL_2)
    # Keras 2 took the old names too. Where it is only names, that is what the call was for.
    if era == "both" and not names & _SAMPLES and len(layout.positional(call)) < 2:
        return "2"
    return era


def of_script(script: Script) -> Era:
    """What the rest of the file tells, if it speaks with one voice; `""` otherwise."""
    names = {name for call in script.calls for name in layout.keyword_names(call)}
    found = _era(names, _KERAS_1, _KERAS_2)
    later = any(_NAMES_2.fullmatch(name) for name in script.imported) or any(
        script.qualified(call.func).startswith("tensorflow.") and script.keras_name(call.func)
        for call in script.calls
    )
    if later:
        found = "2" if found in ("", "2") else "both"
    return "" if found == "both" else found


def _era(names: set[str], first: set[str], second: set[str]) -> Era:
    if names & first:
        return "both" if names & second else "1"
    return "2" if names & second else ""

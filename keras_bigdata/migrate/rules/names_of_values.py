"""Names of constraints, regularizers and initializers in layers that Keras 3 does not know."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate.script import Script
from keras_bigdata.migrate.strings import edit_text, text_of
from keras_bigdata.old_keras.layers import CONSTRAINT_NAMES

# The end of the name of an argument -> old name -> name in Keras 3.
_NEW_NAMES = {
    "constraint": CONSTRAINT_NAMES,
    "initializer": {"constant": "zeros", "Constant": "zeros"},
}


def plan(script: Script) -> None:
    """Changes names in arguments of layers, or notes what to write."""
    if not script.uses_keras:
        return
    for call in script.calls:
        for argument in call.args:
            if argument.keyword is None or not isinstance(argument.value, cst.SimpleString):
                continue
            kind = argument.keyword.value.rpartition("_")[2]
            name = text_of(argument.value)
            if name in _NEW_NAMES.get(kind, {}):
                edit_text(script, argument.value, _NEW_NAMES[kind].__getitem__)
            elif kind == "regularizer" and name in ("l1_l2", "l1l2"):
                script.note(
                    argument.value,
                    f"Keras 3 has no regularizer {name!r}: write "
                    "keras.regularizers.L1L2(l1=0.01, l2=0.01), which it was in Keras 1 and 2.",
                )

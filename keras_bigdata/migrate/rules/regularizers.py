"""Regularizers and constraints as Keras 1 and 2 had them."""

from __future__ import annotations

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script

# The arguments of Keras 1 and 2, by the name of the function, with their new names.
_RENAMED = {
    "keras.regularizers.l1": {"l": "l1"},
    "keras.regularizers.l2": {"l": "l2"},
    "keras.regularizers.activity_l1": {"l": "l1"},
    "keras.regularizers.activity_l2": {"l": "l2"},
    "keras.constraints.maxnorm": {"m": "max_value"},
    "keras.constraints.max_norm": {"m": "max_value"},
    "keras.constraints.MaxNorm": {"m": "max_value"},
}
# Functions whose factors are 0.01 in Keras 1 if they are not passed, and 0 in Keras 3.
_FACTORS_OF_KERAS_1 = {"keras.regularizers.l1l2", "keras.regularizers.activity_l1l2"}


def plan(script: Script) -> None:
    """Renames arguments, and passes default values that have changed."""
    for call in script.calls:
        name = script.full_name(call.func)
        renamed = _RENAMED.get(name, {})
        if call_edits.keyword_names(call) & set(renamed):
            script.edit(call, _rename(renamed))
        if name in _FACTORS_OF_KERAS_1 or name == "keras.regularizers.l1_l2":
            missing = [
                key
                for position, key in enumerate(("l1", "l2"))
                if call_edits.find_argument(call, key, position) is None
            ]
            if any(arg.star for arg in call.args):
                continue
            if name in _FACTORS_OF_KERAS_1:
                for key in missing:
                    script.edit(call, call_edits.appender(key, "0.01"))
            elif missing:
                script.note(
                    call,
                    f"{script.code(call.func)}: {' and '.join(missing)} is 0 in Keras 3 and was "
                    "0.01 in Keras 1 and 2. Pass both factors.",
                )


def _rename(names: dict[str, str]) -> call_edits.CallEdit:
    return lambda call: call_edits.rename_keywords(call, names)

"""Arguments of Keras's callbacks."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script

# Arguments of TensorBoard that did nothing beside, or that mean nothing with this value.
_DROPPED = {
    "batch_size": None,
    "write_grads": "False",
    "embeddings_layer_names": "None",
    "embeddings_data": "None",
}


def plan(script: Script) -> None:
    """Has the arguments changed, or leaves them to a person."""
    for call in script.calls:
        name = script.name_of(call.func)
        if not name and script.may_be_starred(call.func) in ("ModelCheckpoint", "TensorBoard"):
            script.note(
                call,
                f"{script.code(call.func)} comes from an import of *, so nothing here is changed. "
                "If it is Keras's, import it by name and migrate again.",
            )
        if name == "keras.callbacks.ModelCheckpoint":
            _checkpoint(script, call)
        elif name == "keras.callbacks.TensorBoard":
            _tensorboard(script, call)
        elif name == "keras.callbacks.ReduceLROnPlateau":
            given = call_edits.keyword_names(call)
            if "epsilon" in given and "min_delta" not in given:
                script.edit(call, lambda new: call_edits.renamed(new, {"epsilon": "min_delta"}))


def _checkpoint(script: Script, call: cst.Call) -> None:
    period = call_edits.argument(call, "period", 6)
    if period is None:
        return
    value = script.code(period.value)
    if value == "1" and period.keyword is not None:
        script.edit(call, lambda new: call_edits.without(new, "period"))
        return
    if period.keyword is None and value == "'epoch'":
        return
    script.note(
        call,
        f"ModelCheckpoint: a period of {value} epochs is save_freq={value} * (batches of an epoch) "
        "today, if their number is known; or leave it, and call keras_bigdata.legacy.patches() "
        "first.",
    )


def _tensorboard(script: Script, call: cst.Call) -> None:
    for name, harmless in _DROPPED.items():
        arg = call_edits.argument(call, name)
        if arg is None:
            continue
        if harmless is None or script.code(arg.value) == harmless:
            script.edit(call, _drop(name))
        else:
            script.note(call, f"TensorBoard: {name} is gone; remove it.")
    if len(call_edits.positional(call)) > 2:
        script.note(
            call,
            "TensorBoard: the third argument by position was batch_size and is write_graph. Give "
            "arguments by name.",
        )


def _drop(name: str) -> call_edits.CallEdit:
    return lambda new: call_edits.without(new, name)

"""Arguments of Keras's callbacks."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script

# Arguments of TensorBoard that Keras 3 has removed, with the value with which they had no effect.
# `None` stands for any value: these arguments had no effect of their own.
_DROPPED = {
    "batch_size": None,
    "write_grads": "False",
    "embeddings_layer_names": "None",
    "embeddings_data": "None",
}


def plan(script: Script) -> None:
    """Renames and drops arguments of callbacks, and notes those that the user must decide about."""
    for call in script.calls:
        name = script.full_name(call.func)
        if not name and script.star_import_name(call.func) in ("ModelCheckpoint", "TensorBoard"):
            script.note(
                call,
                f"{script.code(call.func)} may come from an import of *, so this call is not "
                "changed. If it is Keras's class, import it by name and run migrate again.",
            )
        if name == "keras.callbacks.ModelCheckpoint":
            _plan_checkpoint(script, call)
        elif name == "keras.callbacks.TensorBoard":
            _plan_tensorboard(script, call)
        elif name == "keras.callbacks.ReduceLROnPlateau":
            names = call_edits.keyword_names(call)
            if "epsilon" in names and "min_delta" not in names:
                script.edit(
                    call, lambda new: call_edits.rename_keywords(new, {"epsilon": "min_delta"})
                )
        elif script.keras_name(call.func) == "ProgbarLogger" and call.args:
            # Keras 3 takes no arguments there: it counts batches.
            script.edit(call, lambda new: new.with_changes(args=[]))


def _plan_checkpoint(script: Script, call: cst.Call) -> None:
    period = call_edits.find_argument(call, "period", 6)
    if period is None:
        return
    value = script.code(period.value)
    if value == "1" and period.keyword is not None:
        script.edit(call, lambda new: call_edits.remove_keyword(new, "period"))
        return
    if period.keyword is None and value == "'epoch'":
        return
    script.note(
        call,
        f"ModelCheckpoint: Keras 3 has no `period`. Instead of a period of {value} epochs, pass "
        f"save_freq={value} * (batches per epoch) if that number is known; or keep `period` and "
        "call keras_bigdata.legacy.install() first.",
    )


def _plan_tensorboard(script: Script, call: cst.Call) -> None:
    for name, harmless in _DROPPED.items():
        arg = call_edits.find_argument(call, name)
        if arg is None:
            continue
        if harmless is None or script.code(arg.value) == harmless:
            script.edit(call, call_edits.remover(name))
        else:
            script.note(call, f"TensorBoard: Keras 3 has no `{name}`; remove it.")
    if len(call_edits.positional_args(call)) > 2:
        script.note(
            call,
            "TensorBoard: the third positional argument was `batch_size` and is now "
            "`write_graph`. Pass arguments by name.",
        )

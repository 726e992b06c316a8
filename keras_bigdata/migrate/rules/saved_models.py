"""`model.save` under a name without a suffix, and `save_format`.

The suffix decides the format in Keras 3. Names that have an old suffix, such as `.hdf5`, are the
case of file_names.
"""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script
from keras_bigdata.migrate.strings import last_text, text_of
from keras_bigdata.old_keras.file_suffixes import MODEL_SUFFIXES


def plan(script: Script) -> None:
    """Removes `save_format`, or notes the name that says the same."""
    for call in script.calls:
        if not isinstance(call.func, cst.Attribute) or not script.uses_keras:
            continue
        method = call.func.attr.value
        if method == "save" and not script.written_name(call.func):
            _plan_save(script, call)
        elif method == "save_weights" and "save_format" in call_edits.keyword_names(call):
            script.edit(call, call_edits.remover("save_format"))


def _plan_save(script: Script, call: cst.Call) -> None:
    keywords = call_edits.keyword_names(call)
    path = call_edits.find_argument(call, "filepath", 0)
    if path is None:
        return
    last = last_text(script.value_of(path.value))
    text = "" if last is None else text_of(last)
    has_suffix = text.endswith(MODEL_SUFFIXES)
    if "save_format" in keywords:
        arg = call_edits.find_argument(call, "save_format")
        value = "" if arg is None else script.code(arg.value)
        if has_suffix:
            script.edit(call, call_edits.remover("save_format"))
        else:
            suffix = ".h5" if "h5" in value else ".keras"
            script.note(
                call,
                f"save: Keras 3 has no save_format; the name decides. Remove save_format={value} "
                f"and save under {_with_suffix(script, path.value, text, suffix)}, where it is "
                "loaded too. model.export(name) writes a SavedModel for TensorFlow Serving.",
            )
    elif last is not None and not has_suffix and _is_model_call(call):
        script.note(
            call,
            "save: the name of a model must end in '.keras' or '.h5' in Keras 3. Write "
            f"{_with_suffix(script, path.value, text, '.keras')}, where it is loaded too.",
        )


def _is_model_call(call: cst.Call) -> bool:
    """Whether `x.save(...)` is likely called on a model: images and figures have this method."""
    assert isinstance(call.func, cst.Attribute)
    owner = call.func.value
    name = owner.attr.value if isinstance(owner, cst.Attribute) else getattr(owner, "value", "")
    words = ("model", "net", "discriminator", "generator", "encoder", "decoder", "gan", "critic")
    return isinstance(name, str) and any(word in name.lower() for word in words)


def _with_suffix(script: Script, path: cst.BaseExpression, text: str, suffix: str) -> str:
    if isinstance(script.value_of(path), cst.SimpleString):
        return f"'{text}{suffix}'"
    return f"a name that ends in '{suffix}'"

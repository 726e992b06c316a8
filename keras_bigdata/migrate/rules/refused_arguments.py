"""Arguments, methods and attributes that Keras 3 refuses."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script
from keras_bigdata.migrate.strings import edit_text, last_text, text_of
from keras_bigdata.old_keras.keras_2_layers import (
    ADD_WEIGHT_1,
    ADD_WEIGHT_2,
    IGNORED_KERNEL_ARGUMENTS,
)

_SEPARABLE = {"SeparableConv1D", "SeparableConv2D", "SeparableConvolution2D", "DepthwiseConv2D"}
_SUFFIXES = (".keras", ".h5", ".hdf5")
_OLD_PARAMS = {
    "nb_sample": "the number of rows that the script knows",
    "samples": "the number of rows that the script knows",
    "metrics": "the keys of `logs`",
    "batch_size": "the batch size that the script passes to fit",
    "do_validation": "whether `logs` has keys that begin with 'val_'",
}


def plan(script: Script) -> None:
    """Changes or notes what Keras 3 refuses."""
    for call in script.calls:
        _plan_function(script, call, script.keras_name(call.func))
        if isinstance(call.func, cst.Attribute) and script.uses_keras:
            _plan_method(script, call, call.func.attr.value)
    for node in script.all(cst.Assign):
        for target in node.targets:
            _note_trainable_weights(script, target.target)
    for attribute in script.all(cst.Attribute):
        _note_validation_data(script, attribute)
    for subscript in script.all(cst.Subscript):
        _plan_key(script, subscript)
    for function in script.all(cst.FunctionDef):
        _plan_output_shape(script, function)


def _plan_function(script: Script, call: cst.Call, name: str) -> None:
    if name == "load_img":
        _plan_load_img(script, call)
    elif name == "ProgbarLogger" and call.args:
        script.edit(call, lambda new: new.with_changes(args=[]))
    elif name in _SEPARABLE:
        for keyword in sorted(call_edits.keyword_names(call) & IGNORED_KERNEL_ARGUMENTS):
            script.edit(call, call_edits.remover(keyword))  # it had no effect


def _plan_method(script: Script, call: cst.Call, method: str) -> None:
    if method == "save" and not script.written_name(call.func):
        _plan_save(script, call)
    elif method in ("fit", "train_on_batch"):
        _note_class_weights(script, call)
    elif method == "add_weight":
        _plan_add_weight(script, call)
    elif method == "save_weights" and "save_format" in call_edits.keyword_names(call):
        script.edit(call, call_edits.remover("save_format"))


def _note_class_weights(script: Script, call: cst.Call) -> None:
    """Notes class weights of several outputs."""
    arg = call_edits.find_argument(call, "class_weight")
    value = None if arg is None else script.value_of(arg.value)
    is_list = isinstance(value, cst.List | cst.Tuple)
    is_nested = isinstance(value, cst.Dict) and any(
        isinstance(element.value, cst.Dict) for element in value.elements
    )
    if is_list or is_nested:
        script.note(
            call,
            "class_weight: Keras 3 takes one dict of class to weight, for a model with one output. "
            "For several outputs pass sample_weight, a list of one array of weights for each "
            "output; for one output, pass its dict (Keras 1 and 2 ignored any other list).",
        )


def _plan_load_img(script: Script, call: cst.Call) -> None:
    grayscale = call_edits.find_argument(call, "grayscale", 1)
    if grayscale is None or "color_mode" in call_edits.keyword_names(call):
        return
    value = script.code(grayscale.value)
    if grayscale.keyword is None and value not in ("True", "False"):
        return  # perhaps `color_mode`, which Keras 3 has there
    if value == "False" and grayscale.keyword is not None:
        script.edit(call, call_edits.remover("grayscale"))
        return
    mode = {"True": "'grayscale'", "False": "'rgb'"}.get(
        value, f"'grayscale' if {value} else 'rgb'"
    )

    def edit(new: cst.Call) -> cst.Call:
        args = list(new.args)
        number = call.args.index(grayscale)
        arg = args[number].with_changes(value=cst.parse_expression(mode))
        if arg.keyword is not None:
            arg = arg.with_changes(keyword=cst.Name("color_mode"))
        args[number] = arg
        return new.with_changes(args=args)

    script.edit(call, edit)


def _plan_save(script: Script, call: cst.Call) -> None:
    keywords = call_edits.keyword_names(call)
    path = call_edits.find_argument(call, "filepath", 0)
    if path is None:
        return
    last = last_text(script.value_of(path.value))
    text = "" if last is None else text_of(last)
    has_suffix = text.endswith(_SUFFIXES)
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


def _plan_add_weight(script: Script, call: cst.Call) -> None:
    args = call_edits.positional_args(call)
    if call_edits.has_starred(call) or not args:
        return
    if isinstance(args[0].value, cst.SimpleString):
        names: tuple[str, ...] = ADD_WEIGHT_2
    elif len(args) > 2 and not isinstance(args[2].value, cst.SimpleString):
        script.note(
            call,
            "add_weight: the third positional argument was `name` in Keras 1 and is `dtype` in "
            f"Keras 3. If it is the name, write name={script.code(args[2].value)}.",
        )
        return
    elif len(args) > 2 and isinstance(args[2].value, cst.SimpleString):
        if text_of(args[2].value).startswith(("float", "int", "bool", "uint")):
            return
        names = ADD_WEIGHT_1
    else:
        return
    if len(args) <= len(names):
        positions = dict(enumerate(names[: len(args)]))
        script.edit(call, lambda new: call_edits.name_positional_args(new, positions))


def _note_trainable_weights(script: Script, target: cst.BaseExpression) -> None:
    if not isinstance(target, cst.Attribute) or not script.uses_keras:
        return
    if target.attr.value in ("trainable_weights", "non_trainable_weights"):
        owner = script.code(target.value)
        script.note(
            target,
            f"{target.attr.value} cannot be assigned in Keras 3. Create each weight with "
            f"{owner}.add_weight(name=..., shape=..., initializer=..., trainable=...), which adds "
            "it to the layer, and remove the assignment.",
        )


def _class_of(script: Script, node: cst.CSTNode) -> cst.ClassDef | None:
    while not isinstance(node, cst.Module | cst.ClassDef):
        node = script.parent(node)
    return node if isinstance(node, cst.ClassDef) else None


def _has_base(node: cst.ClassDef | None, name: str) -> bool:
    return node is not None and any(
        isinstance(base.value, cst.Name | cst.Attribute)
        and (base.value.value if isinstance(base.value, cst.Name) else base.value.attr.value)
        .lower()
        .endswith(name)
        for base in node.bases
    )


def _note_validation_data(script: Script, node: cst.Attribute) -> None:
    if node.attr.value != "validation_data":
        return
    owner = script.code(node.value)
    if owner in ("self", "self.model") and _has_base(_class_of(script, node), "callback"):
        script.note(
            node,
            f"{owner}.validation_data: Keras 3 does not set it. Give the callback the arrays: "
            "def __init__(self, validation_data): super().__init__(); "
            "self.validation_data = validation_data. It was a list [inputs, targets, sample "
            "weights].",
        )


def _plan_key(script: Script, node: cst.Subscript) -> None:
    index = node.slice[0].slice if len(node.slice) == 1 else None
    if not isinstance(index, cst.Index) or not isinstance(index.value, cst.SimpleString):
        return
    key, owner = text_of(index.value), node.value
    attribute = owner.attr.value if isinstance(owner, cst.Attribute) else ""
    if attribute == "history" and key == "lr":
        edit_text(script, index.value, lambda _: "learning_rate")
    elif attribute == "params" and _has_base(_class_of(script, node), "callback"):
        if key == "nb_epoch":
            edit_text(script, index.value, lambda _: "epochs")
        elif key in _OLD_PARAMS:
            script.note(node, f"params['{key}'] is not in Keras 3: use {_OLD_PARAMS[key]}.")


def _plan_output_shape(script: Script, node: cst.FunctionDef) -> None:
    if node.name.value == "get_output_shape_for" and _class_of(script, node) is not None:
        script.edit(node, lambda new: new.with_changes(name=cst.Name("compute_output_shape")))

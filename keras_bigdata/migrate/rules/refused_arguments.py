"""Arguments that Keras 3 refuses, and class weights of several outputs."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script
from keras_bigdata.old_keras.keras_2_layers import IGNORED_KERNEL_ARGUMENTS

_SEPARABLE = {"SeparableConv1D", "SeparableConv2D", "SeparableConvolution2D", "DepthwiseConv2D"}


def plan(script: Script) -> None:
    """Changes arguments that Keras 3 refuses, or notes them."""
    for call in script.calls:
        name = script.keras_name(call.func)
        if name == "load_img":
            _plan_load_img(script, call)
        elif name == "ProgbarLogger" and call.args:
            script.edit(call, lambda new: new.with_changes(args=[]))
        elif name in _SEPARABLE:
            for keyword in sorted(call_edits.keyword_names(call) & IGNORED_KERNEL_ARGUMENTS):
                script.edit(call, call_edits.remover(keyword))  # it had no effect
        elif (
            script.uses_keras
            and isinstance(call.func, cst.Attribute)
            and call.func.attr.value in ("fit", "train_on_batch")
        ):
            _note_class_weights(script, call)


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

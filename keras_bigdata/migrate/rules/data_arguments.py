"""Old arguments of functions that load and prepare data: `nb_words`, `load_img(grayscale=)`."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.rules.dim_ordering import data_format
from keras_bigdata.migrate.script import Script
from keras_bigdata.old_keras.data_arguments import (
    ITERATOR_ATTRIBUTES,
    RENAMED_ARGUMENTS,
)

_FUNCTIONS = {
    f"keras.{module}.{name}": arguments
    for module, functions in RENAMED_ARGUMENTS.items()
    for name, arguments in functions.items()
}
_FUNCTIONS["keras.utils.np_utils.to_categorical"] = _FUNCTIONS["keras.utils.to_categorical"]
_FLOWS = ("flow_from_directory", "flow")
_ATTRIBUTES = {old: new for names in ITERATOR_ATTRIBUTES.values() for old, new in names.items()}


def plan(script: Script) -> None:
    """Changes the arguments, and renames the attributes of iterators of `ImageDataGenerator`."""
    for call in script.calls:
        arguments = _FUNCTIONS.get(script.full_name(call.func), {})
        old = arguments.keys() & call_edits.keyword_names(call)
        if old:
            _rename(script, call, {name: arguments[name] for name in old})
        if script.keras_name(call.func) == "load_img":
            _plan_load_img(script, call)
    for node in script.all(cst.Attribute):
        if node.attr.value in _ATTRIBUTES and _is_flow(script, node.value):
            script.edit(node, _rename_attribute)


def _rename(script: Script, call: cst.Call, names: dict[str, str]) -> None:
    dim_ordering = call_edits.find_argument(call, "dim_ordering")
    if dim_ordering is not None:
        value = data_format(dim_ordering.value)
        if value is None:
            script.note(
                call,
                f"dim_ordering={script.code(dim_ordering.value)}: write data_format=, with "
                "'channels_first' for 'th' and 'channels_last' for 'tf'.",
            )
            return
        script.edit(dim_ordering.value, lambda _new: value)
    script.edit(call, lambda new: call_edits.rename_keywords(new, names))


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


def _rename_attribute(node: cst.Attribute) -> cst.Attribute:
    return node.with_changes(attr=cst.Name(_ATTRIBUTES[node.attr.value]))


def _is_flow(script: Script, node: cst.BaseExpression) -> bool:
    """Whether a node is a name to which an iterator of `ImageDataGenerator` is assigned, once."""
    call = script.value_of(node)
    return (
        isinstance(call, cst.Call)
        and isinstance(call.func, cst.Attribute)
        and call.func.attr.value in _FLOWS
        and isinstance(maker := script.value_of(call.func.value), cst.Call)
        and script.keras_name(maker.func) == "ImageDataGenerator"
    )

"""`model.fit_generator` and the other generator methods, which Keras 3 has removed."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.keras_version import version_of_call, version_of_script
from keras_bigdata.migrate.script import Script
from keras_bigdata.migrate.syntax_tree import walk
from keras_bigdata.old_keras.generator_arguments import (
    KERAS_1_POSITIONS,
    KERAS_2_POSITIONS,
    NEW_METHODS,
    RENAMED_ARGUMENTS,
    STEP_COUNTS,
)
from keras_bigdata.old_keras.method_arguments import SHARED_ARGUMENTS

# Not `flow`: with several inputs it yields lists, which TensorFlow's `fit` refuses, and no argument
# shows the number of inputs.
_ITERATORS_WITH_LENGTH = ("flow_from_directory", "flow_from_dataframe")


def plan(script: Script) -> None:
    """Replaces calls of the generator methods, or notes why a call is not changed."""
    own_functions = {
        node.name.value
        for node in script.all(cst.FunctionDef)
        if node.name.value in KERAS_2_POSITIONS
    }
    called = set()
    for call in script.calls:
        if isinstance(call.func, cst.Attribute) and call.func.attr.value in KERAS_2_POSITIONS:
            called.add(call.func)
            if script.written_name(call.func).startswith("keras_bigdata."):
                continue
            reason = _reason_against(script, call, own_functions)
            if reason:
                script.note(call, f"{call.func.attr.value}: {reason}")
            elif _can_use_new_method(script, call):
                _to_new_method(script, call)
            else:
                _to_legacy_function(script, call)
    for node in script.all(cst.Attribute):
        name = node.attr.value
        if name in KERAS_2_POSITIONS and node not in called and not script.written_name(node):
            script.note(
                node,
                f"{script.code(node)} is not called here, and Keras 3 has no such method. Use "
                f"keras_bigdata.legacy.{name}(model, ...).",
            )


def _reason_against(script: Script, call: cst.Call, own_functions: set[str]) -> str:
    """Returns why the meaning of a call is not certain; `""` if it is."""
    assert isinstance(call.func, cst.Attribute)
    name = call.func.attr.value
    if name in own_functions:
        return (
            "this file defines a function of that name, so it may not be Keras's method that is "
            "called."
        )
    if isinstance(call.func.value, cst.Call) and script.code(call.func.value.func) == "super":
        return "this calls a method of the base class, which Keras 3 does not have."
    if any(isinstance(node, cst.Comment) for node in walk(call.func.dot)):
        return (
            "a comment stands between the model and the method. Use "
            f"keras_bigdata.legacy.{name}(model, ...)."
        )
    if script.written_name(call.func):
        return (
            f"this calls {script.written_name(call.func)}, which is imported. Check whether it is "
            "a method of a Keras model."
        )
    if call_edits.has_starred(call):
        return "arguments are passed from a list (`*`), so they are not known. Check them."
    num_positional = len(call_edits.positional_args(call))
    max_positional = len(KERAS_2_POSITIONS[name])
    if num_positional > max_positional:
        return (
            f"the call has more than {max_positional} positional arguments, whose meaning differs "
            "between releases of Keras. Pass them by name."
        )
    version = version_of_call(call)
    if num_positional > 1 and not version and not version_of_script(script):
        return (
            f"the second argument was `{KERAS_1_POSITIONS[name][1]}` in Keras 1 and is "
            f"`{KERAS_2_POSITIONS[name][1]}` since Keras 2, and this file does not show which is "
            f"meant. Pass it by name: {_by_name(script, call, KERAS_1_POSITIONS[name])} for Keras "
            f"1, or {_by_name(script, call, KERAS_2_POSITIONS[name])}."
        )
    if version == "both":
        return "the call has argument names of Keras 1 and of Keras 2. Use those of one of them."
    return ""


def _by_name(script: Script, call: cst.Call, names: tuple[str, ...]) -> str:
    """Returns the text of the positional arguments after the generator, by name."""
    args = list(zip(names, call_edits.positional_args(call), strict=False))[1:]
    return ", ".join(f"{name}={script.code(arg.value)}" for name, arg in args)


def _can_use_new_method(script: Script, call: cst.Call) -> bool:
    """Whether the method of Keras 3 does exactly what the old one did."""
    assert isinstance(call.func, cst.Attribute)
    name = call.func.attr.value
    if call_edits.has_starred(call, "**"):
        return False
    args = dict(zip(KERAS_2_POSITIONS[name], call_edits.positional_args(call), strict=False))
    args |= {arg.keyword.value: arg for arg in call.args if arg.keyword is not None}
    if "nb_epoch" in args:
        args["epochs"] = args.pop("nb_epoch")
    generator = args.pop("generator", None)
    if generator is None or not _has_length(script, generator.value):
        return False
    for name_of_steps in ("steps_per_epoch", "steps"):
        steps = args.pop(name_of_steps, None)
        if steps is not None and not _is_length_of(script, steps.value, generator.value):
            return False
    validation_data = args.get("validation_data")
    validation_steps = args.pop("validation_steps", None)
    if validation_data is not None and not isinstance(validation_data.value, cst.Tuple):
        if not _has_length(script, validation_data.value):
            return False
        if validation_steps and not _is_length_of(
            script, validation_steps.value, validation_data.value
        ):
            return False
    elif validation_steps is not None:
        return False
    return set(args) <= SHARED_ARGUMENTS[NEW_METHODS[name]] - set(STEP_COUNTS)


def _to_new_method(script: Script, call: cst.Call) -> None:
    """Replaces a call by a call of `fit`, `evaluate` or `predict`."""
    assert isinstance(call.func, cst.Attribute)
    name = call.func.attr.value
    column = script.argument_column(call)
    new_column = column - len(name) + len(NEW_METHODS[name])

    def edit(new: cst.Call) -> cst.Call:
        # Arguments after the generator are passed by name: `fit` has them in another order.
        count = len(call_edits.positional_args(new))
        new = call_edits.name_positional_args(
            new, {n: KERAS_2_POSITIONS[name][n] for n in range(1, count)}
        )
        new = call_edits.rename_keywords(new, {"generator": "x", "nb_epoch": "epochs"})
        for steps in STEP_COUNTS:
            if steps in call_edits.keyword_names(new):
                new = call_edits.remove_keyword(new, steps)
        if name != "fit_generator" and "verbose" not in call_edits.keyword_names(new):
            new = call_edits.append_keyword(new, "verbose", "0")  # the old default
        assert isinstance(new.func, cst.Attribute)
        new = call_edits.realign(new, column, new_column)
        return new.with_changes(func=new.func.with_changes(attr=cst.Name(NEW_METHODS[name])))

    script.edit(call, edit)


def _to_legacy_function(script: Script, call: cst.Call) -> None:
    """Replaces a call by a call of the function in `keras_bigdata.legacy`."""
    assert isinstance(call.func, cst.Attribute)
    name = call.func.attr.value
    module = script.new_imports.require("keras_bigdata", "legacy")
    version = version_of_call(call) or version_of_script(script)
    # The column of the first argument in its block, before and after.
    column = script.argument_column(call)
    new_column = script.column(call) - script.indent(call) + len(f"{module}.{name}(")

    def edit(new: cst.Call) -> cst.Call:
        if version == "1":
            count = len(call_edits.positional_args(new))
            new = call_edits.name_positional_args(
                new, {n: KERAS_1_POSITIONS[name][n] for n in range(1, count)}
            )
        elif version == "2":
            new = call_edits.rename_keywords(new, RENAMED_ARGUMENTS)
        return call_edits.method_to_function(new, f"{module}.{name}", column, new_column)

    script.edit(call, edit)


def _has_length(script: Script, node: cst.BaseExpression) -> bool:
    """Whether a node is certainly an `ImageDataGenerator` iterator with one input and target."""
    call = script.value_of(node)
    if not isinstance(call, cst.Call) or not isinstance(call.func, cst.Attribute):
        return False
    if call.func.attr.value not in _ITERATORS_WITH_LENGTH or call_edits.has_starred(call, "**"):
        return False
    mode = call_edits.find_argument(call, "class_mode")
    if mode is not None and (
        not isinstance(mode.value, cst.SimpleString) or mode.value.evaluated_value == "multi_output"
    ):
        return False
    image_generator = script.value_of(call.func.value)
    return (
        isinstance(image_generator, cst.Call)
        and script.full_name(image_generator.func) == "keras.preprocessing.image.ImageDataGenerator"
    )


def _is_length_of(script: Script, steps: cst.BaseExpression, generator: cst.BaseExpression) -> bool:
    """Whether steps are written as `len(generator)`, or are `None`."""
    if script.code(steps) == "None":
        return True
    return isinstance(generator, cst.Name) and script.code(steps) == f"len({generator.value})"

"""`model.fit_generator` and its kin, which Keras 3 no longer has."""

from __future__ import annotations

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.rules.keras_version import SYNONYMS, of_call, of_script
from keras_bigdata.migrate.script import Script

# The arguments by position, in Keras 1 and in Keras 2. Behind these the releases of Keras 2
# differ (`validation_freq` and `callbacks` came in the middle).
KERAS_1 = {
    "fit_generator": (
        "generator",
        "samples_per_epoch",
        "nb_epoch",
        "verbose",
        "callbacks",
        "validation_data",
        "nb_val_samples",
    ),
    "evaluate_generator": ("generator", "val_samples"),
    "predict_generator": ("generator", "val_samples"),
}
KERAS_2 = {
    "fit_generator": (
        "generator",
        "steps_per_epoch",
        "epochs",
        "verbose",
        "callbacks",
        "validation_data",
        "validation_steps",
    ),
    "evaluate_generator": ("generator", "steps"),
    "predict_generator": ("generator", "steps"),
}

# What `fit`, `evaluate` and `predict` take under the same name.
_PLAIN = {
    "fit_generator": {
        "epochs",
        "verbose",
        "callbacks",
        "validation_data",
        "class_weight",
        "shuffle",
        "initial_epoch",
        "validation_freq",
    },
    "evaluate_generator": {"verbose", "callbacks"},
    "predict_generator": {"verbose", "callbacks"},
}
_METHODS = {
    "fit_generator": "fit",
    "evaluate_generator": "evaluate",
    "predict_generator": "predict",
}


def plan(script: Script) -> None:
    """Has the calls rewritten, or leaves them to a person."""
    own = {node.name.value for node in script.all(cst.FunctionDef) if node.name.value in KERAS_2}
    called = set()
    for call in script.calls:
        if isinstance(call.func, cst.Attribute) and call.func.attr.value in KERAS_2:
            called.add(call.func)
            if _is_ours(script, call):
                continue
            reason = _unclear(script, call, own)
            if reason:
                script.note(call, f"{call.func.attr.value}: {reason}")
            elif _is_plain(script, call):
                _to_method(script, call)
            else:
                _to_function(script, call)
    for node in script.all(cst.Attribute):
        if node.attr.value in KERAS_2 and node not in called and not script.qualified(node):
            script.note(
                node,
                f"{script.code(node)} is not called here; Keras 3 has no such method. Use "
                f"keras_bigdata.legacy.{node.attr.value}(model, ...).",
            )


def _is_ours(script: Script, call: cst.Call) -> bool:
    return script.qualified(call.func).startswith("keras_bigdata.")


def _unclear(script: Script, call: cst.Call, own: set[str]) -> str:
    """Why a call cannot be understood; `""` if it can."""
    assert isinstance(call.func, cst.Attribute)
    name = call.func.attr.value
    if name in own:
        return "this file defines a function of that name, so this call may be another one."
    if isinstance(call.func.value, cst.Call) and script.code(call.func.value.func) == "super":
        return "is called of a base class. Keras 3 has no such method there."
    if script.qualified(call.func):
        return f"{script.qualified(call.func)} is imported; see what it is."
    if call_edits.has_stars(call):
        return "arguments come from a list (`*`); see what they are."
    given = call_edits.positional(call)
    if len(given) > len(KERAS_2[name]):
        more = len(KERAS_2[name])
        return (
            f"has more than {more} arguments by position, which releases of Keras read "
            "differently. Give them by name."
        )
    if len(given) > 1 and not of_call(call) and not of_script(script):
        return (
            f"the second argument was `{KERAS_1[name][1]}` in Keras 1 and is "
            f"`{KERAS_2[name][1]}` since Keras 2, and nothing here tells which is meant. Give it "
            "by name."
        )
    if of_call(call) == "both":
        return "has argument names of Keras 1 and of Keras 2. Decide for one of them."
    return ""


def _is_plain(script: Script, call: cst.Call) -> bool:
    """Whether Keras's own method does exactly what the old one did."""
    assert isinstance(call.func, cst.Attribute)
    name = call.func.attr.value
    if call_edits.has_stars(call, "**"):
        return False
    given = dict(zip(KERAS_2[name], call_edits.positional(call), strict=False))
    given |= {arg.keyword.value: arg for arg in call.args if arg.keyword is not None}
    if "nb_epoch" in given:
        given["epochs"] = given.pop("nb_epoch")
    generator = given.pop("generator", None)
    if generator is None or not knows_its_length(script, generator.value):
        return False
    for steps in ("steps_per_epoch", "steps"):
        if steps in given and not length_of(script, given.pop(steps).value, generator.value):
            return False
    held_out = given.get("validation_data")
    steps_arg = given.pop("validation_steps", None)
    if held_out is not None and not isinstance(held_out.value, cst.Tuple):
        if not knows_its_length(script, held_out.value):
            return False
        if steps_arg and not length_of(script, steps_arg.value, held_out.value):
            return False
    elif steps_arg is not None:
        return False
    return set(given) <= _PLAIN[name]


def _to_method(script: Script, call: cst.Call) -> None:
    assert isinstance(call.func, cst.Attribute)
    name = call.func.attr.value
    column = script.column(call) + len(script.code(call.func)) + 1 - script.indent(call)
    new_column = column - len(name) + len(_METHODS[name])

    def edit(new: cst.Call) -> cst.Call:
        # Behind the generator everything by name: `fit` has other positions.
        count = len(call_edits.positional(new))
        new = call_edits.with_keywords(new, {n: KERAS_2[name][n] for n in range(1, count)})
        new = call_edits.renamed(new, {"generator": "x", "nb_epoch": "epochs"})
        for steps in ("steps_per_epoch", "validation_steps", "steps"):
            if steps in call_edits.keyword_names(new):
                new = call_edits.without(new, steps)
        if name != "fit_generator" and "verbose" not in call_edits.keyword_names(new):
            new = call_edits.with_keyword(new, "verbose", "0")  # the old default
        assert isinstance(new.func, cst.Attribute)
        new = call_edits.realigned(new, column, new_column)
        return new.with_changes(func=new.func.with_changes(attr=cst.Name(_METHODS[name])))

    script.edit(call, edit)


def _to_function(script: Script, call: cst.Call) -> None:
    assert isinstance(call.func, cst.Attribute)
    name = call.func.attr.value
    module = script.new_imports.want("keras_bigdata", "legacy")
    era = of_call(call) or of_script(script)
    # The column of the first argument in its block, before and after.
    start = script.column(call) - script.indent(call)
    column = start + len(script.code(call.func)) + 1
    new_column = start + len(f"{module}.{name}(")

    def edit(new: cst.Call) -> cst.Call:
        if era == "1":
            count = len(call_edits.positional(new))
            new = call_edits.with_keywords(new, {n: KERAS_1[name][n] for n in range(1, count)})
        elif era == "2":
            new = call_edits.renamed(new, SYNONYMS)
        return call_edits.as_function(new, f"{module}.{name}", column, new_column)

    script.edit(call, edit)


# Not `flow`: with several inputs it yields lists, which TensorFlow's `fit` refuses, and how many
# inputs there are stands in no argument.
_ITERATORS = ("flow_from_directory", "flow_from_dataframe")


def knows_its_length(script: Script, node: cst.BaseExpression) -> bool:
    """Whether a node is surely an iterator of `ImageDataGenerator` with one input and target."""
    call = script.value_of(node)
    if not isinstance(call, cst.Call) or not isinstance(call.func, cst.Attribute):
        return False
    if call.func.attr.value not in _ITERATORS or call_edits.has_stars(call, "**"):
        return False
    mode = call_edits.argument(call, "class_mode")
    if mode is not None and (
        not isinstance(mode.value, cst.SimpleString) or mode.value.evaluated_value == "multi_output"
    ):
        return False
    maker = script.value_of(call.func.value)
    return (
        isinstance(maker, cst.Call)
        and script.name_of(maker.func) == "keras.preprocessing.image.ImageDataGenerator"
    )


def length_of(script: Script, steps: cst.BaseExpression, generator: cst.BaseExpression) -> bool:
    """Whether steps are written as `len(generator)`, or are `None`."""
    if script.code(steps) == "None":
        return True
    return isinstance(generator, cst.Name) and script.code(steps) == f"len({generator.value})"

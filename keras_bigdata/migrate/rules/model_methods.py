"""Methods and members of models and layers that Keras 3 does not have, or has in another form."""

from __future__ import annotations

import re

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.keras_version import imports_keras_package, version_of_script
from keras_bigdata.migrate.script import Script
from keras_bigdata.old_keras.method_arguments import KERAS_1_DEFAULT_EPOCHS

_MODEL_CLASSES = {"Sequential", "Model", "load_model", "model_from_json"}
# Layers after the last Dense that keep the number of outputs.
_KEEP_OUTPUTS = {"Activation", "Dropout", "Softmax", "BatchNormalization"}
# Default names of layers. In Keras 1 and 2, the first layer of a kind had the number 1.
_GIVEN_NAME = re.compile(
    r"(input|model|sequential|dense|dropout|flatten|activation|embedding|concatenate|add|lambda|"
    r"lstm|gru|bidirectional|conv[123]d|convolution[123]d|max_?pooling[123]d|"
    r"average_?pooling[123]d|batch_?normalization|time_?distributed)_(\d+)"
)
_AT = {
    "get_output_at": "output",
    "get_input_at": "input",
    "get_output_shape_at": "output.shape",
    "get_input_shape_at": "input.shape",
}


def plan(script: Script) -> None:
    """Changes calls whose meaning is certain, or notes what to write instead."""
    if not script.uses_keras:
        return
    own = {node.name.value for node in script.all(cst.FunctionDef)}
    for call in script.calls:
        if not isinstance(call.func, cst.Attribute) or script.written_name(call.func):
            continue
        name = call.func.attr.value
        if name in _AT:
            _plan_node(script, call, name)
        elif name in _PLANS and name not in own:
            _PLANS[name](script, call)
    for attribute in script.all(cst.Attribute):
        if attribute.attr.value in ("input", "output"):
            _plan_end_of_sequential(script, attribute)


def _plan_end_of_sequential(script: Script, node: cst.Attribute) -> None:
    """Changes `model.input` and `model.output`, which a `Sequential` of Keras 3 does not have."""
    if _model_class(script, node.value) == "Sequential":
        script.edit(
            node, lambda new: cst.parse_expression(f"{script.code(new.value)}.{new.attr.value}s[0]")
        )


# ---- Predictions


def _plan_predict_classes(script: Script, call: cst.Call) -> None:
    assert isinstance(call.func, cst.Attribute)
    model = script.code(call.func.value)
    outputs = _num_outputs(script, call.func.value)
    if outputs is None:
        script.note(
            call,
            f"predict_classes was removed: write {model}.predict(...).argmax(axis=-1), or, if the "
            f'model has one output, ({model}.predict(...) > 0.5).astype("int32").',
        )
        return

    def edit(new: cst.Call) -> cst.BaseExpression:
        predict = _quiet_predict(new)
        if outputs > 1:
            argument = cst.Arg(
                cst.parse_expression("-1"),
                keyword=cst.Name("axis"),
                equal=cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace("")),
            )
            return cst.Call(cst.Attribute(predict, cst.Name("argmax")), args=[argument])
        compared = cst.Comparison(
            predict,
            [cst.ComparisonTarget(cst.GreaterThan(), cst.Float("0.5"))],
            lpar=[cst.LeftParen()],
            rpar=[cst.RightParen()],
        )
        integers = cst.Arg(cst.SimpleString('"int32"'))
        return cst.Call(cst.Attribute(compared, cst.Name("astype")), args=[integers])

    script.edit(call, edit)


def _plan_predict_proba(script: Script, call: cst.Call) -> None:
    assert isinstance(call.func, cst.Attribute)
    if _model_class(script, call.func.value):
        script.edit(call, _quiet_predict)
    else:
        script.note(
            call,
            "predict_proba was removed from models of Keras: write "
            f"{script.code(call.func.value)}.predict(...), which returns the same.",
        )


def _quiet_predict(call: cst.Call) -> cst.Call:
    """Returns the call of `predict`, without the progress bar that the old method did not show."""
    assert isinstance(call.func, cst.Attribute)
    call = call.with_changes(func=call.func.with_changes(attr=cst.Name("predict")))
    has_verbose = call_edits.find_argument(call, "verbose", 2) is not None
    return call if has_verbose else call_edits.append_keyword(call, "verbose", "0")


def _model_class(script: Script, node: cst.BaseExpression) -> str:
    """Returns the class or function of Keras that made a model, or `""`."""
    value = script.value_of(node)
    name = script.keras_name(value.func) if isinstance(value, cst.Call) else ""
    return name if name in _MODEL_CLASSES else ""


def _num_outputs(script: Script, model: cst.BaseExpression) -> int | None:
    """Returns the number of outputs of a `Sequential` whose last layers are known."""
    if _model_class(script, model) != "Sequential":
        return None
    value = script.value_of(model)
    assert isinstance(value, cst.Call)
    layers: list[cst.BaseExpression] = []
    if value.args and isinstance(value.args[0].value, cst.List):
        layers += [element.value for element in value.args[0].value.elements]
    elif value.args:
        return None
    name = script.code(model)
    for call in script.calls:
        func = call.func
        if isinstance(func, cst.Attribute) and script.code(func.value) == name:
            if func.attr.value == "pop":
                return None
            if func.attr.value == "add" and len(call.args) == 1:
                layers.append(call.args[0].value)
    for layer in reversed(layers):
        kind = script.keras_name(layer.func) if isinstance(layer, cst.Call) else ""
        if kind in _KEEP_OUTPUTS:
            continue
        if kind != "Dense":
            return None
        assert isinstance(layer, cst.Call)
        units = call_edits.find_argument(layer, "units", 0) or call_edits.find_argument(
            layer, "output_dim"
        )
        number = None if units is None else script.value_of(units.value)
        return number.evaluated_value if isinstance(number, cst.Integer) else None
    return None


# ---- Training


def _plan_train_on_batch(script: Script, call: cst.Call) -> None:
    reset = call_edits.find_argument(call, "reset_metrics")
    if reset is None:
        return
    if script.code(reset.value) == "True":
        script.edit(call, lambda new: call_edits.remove_keyword(new, "reset_metrics"))
        return
    assert isinstance(call.func, cst.Attribute)
    script.note(
        call,
        f"{call.func.attr.value}: Keras 3 resets the metrics in every call and has no "
        "`reset_metrics`; remove it, and average the returned values.",
    )


def _plan_fit(script: Script, call: cst.Call) -> None:
    """Notes a call that trained 10 epochs in Keras 1 and trains 1 now."""
    assert isinstance(call.func, cst.Attribute)
    args = call_edits.positional_args(call)
    names = call_edits.keyword_names(call)
    if not _model_class(script, call.func.value) or version_of_script(script) != "1":
        return
    has_starred = call_edits.has_starred(call) or call_edits.has_starred(call, "**")
    if len(args) in (2, 3) and not names & {"epochs", "nb_epoch"} and not has_starred:
        script.note(
            call,
            f"fit: without `nb_epoch`, Keras 1 trained {KERAS_1_DEFAULT_EPOCHS} epochs, and Keras "
            f"3 trains one. Add epochs={KERAS_1_DEFAULT_EPOCHS} if this was meant.",
        )


# ---- Models and layers


def _note_pop(script: Script, call: cst.Call) -> None:
    assert isinstance(call.func, cst.Attribute)
    owner = call.func.value
    if not isinstance(owner, cst.Attribute) or owner.attr.value != "layers":
        return
    model = script.code(owner.value)
    script.note(
        call,
        f"{model}.layers is a copy in Keras 3, so removing a layer from it has no effect: "
        f"{model}.layers[-1] stays the last layer. Write {model}.layers[-2] for the one before it, "
        f"or, for a Sequential, {model}.pop().",
    )


def _note_get_layer(script: Script, call: cst.Call) -> None:
    arg = call_edits.find_argument(call, "name", 0)
    if arg is None or not isinstance(arg.value, cst.SimpleString):
        return
    name = str(arg.value.evaluated_value)
    match = _GIVEN_NAME.fullmatch(name)
    is_own = any(
        keyword.keyword is not None
        and keyword.keyword.value == "name"
        and script.code(keyword.value) in (f"'{name}'", f'"{name}"')
        for other in script.calls
        if other is not call
        for keyword in other.args
    )
    if match is None or is_own or not imports_keras_package(script):
        return
    number = int(match[2])
    new = match[1] if number == 1 else f"{match[1]}_{number - 1}"
    script.note(
        call,
        f"get_layer: if {name!r} is a default name, it is {new!r} or similar in Keras 3, which "
        "does not number the first layer of a kind. Pass `name=` to the layer.",
    )


def _plan_node(script: Script, call: cst.Call, name: str) -> None:
    assert isinstance(call.func, cst.Attribute)
    if len(call.args) == 1 and script.code(call.args[0].value) == "0":

        def edit(new: cst.Call) -> cst.BaseExpression:
            assert isinstance(new.func, cst.Attribute)
            return _members(new.func.value, *_AT[name].split("."))

        script.edit(call, edit)
        return
    script.note(
        call,
        f"{name} was removed. `layer.{_AT[name]}` is that of the first call of the layer; keep "
        "what the layer returned in the other calls in variables.",
    )


def _members(value: cst.BaseExpression, *names: str) -> cst.BaseExpression:
    for name in names:
        value = cst.Attribute(value, cst.Name(name))
    return value


def _note_to_yaml(script: Script, call: cst.Call) -> None:
    script.note(call, "to_yaml was removed: use model.to_json.")


def _note_predict_on_generator(script: Script, call: cst.Call) -> None:
    script.note(call, "predict_on_generator was removed: use model.predict.")


def _note_compiled_loss(script: Script, call: cst.Call) -> None:
    script.note(
        call,
        "SILENT CHANGE: compiled_loss of Keras 3 always adds self.losses, and does not log the "
        "result. Write loss = self.compute_loss(y=y, y_pred=y_pred), which contains self.losses, "
        "and in place of compiled_metrics.update_state, which adds the predictions to each mean: "
        "for metric in self.metrics: metric.update_state(loss) if metric.name == 'loss' else "
        "metric.update_state(y, y_pred). keras_bigdata.legacy.install() keeps the former.",
    )


def _note_add_loss(script: Script, call: cst.Call) -> None:
    assert isinstance(call.func, cst.Attribute)
    if _model_class(script, call.func.value) == "Model":
        script.note(
            call,
            "add_loss: a model of Keras 3 takes no symbolic tensor. Call self.add_loss(loss) in "
            "the `call` of a layer that receives the tensors, or call "
            "keras_bigdata.legacy.install() at the top of the script, which keeps it.",
        )


_PLANS = {
    "compiled_loss": _note_compiled_loss,
    "add_loss": _note_add_loss,
    "predict_classes": _plan_predict_classes,
    "predict_proba": _plan_predict_proba,
    "predict_on_generator": _note_predict_on_generator,
    "to_yaml": _note_to_yaml,
    "train_on_batch": _plan_train_on_batch,
    "test_on_batch": _plan_train_on_batch,
    "fit": _plan_fit,
    "pop": _note_pop,
    "get_layer": _note_get_layer,
}

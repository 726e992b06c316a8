"""Arguments of layers in Keras 1."""

from __future__ import annotations

from dataclasses import dataclass

import libcst as cst

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.keras_version import (
    has_signs_of_both,
    version_of_call,
    version_of_script,
)
from keras_bigdata.migrate.rules import layer_values
from keras_bigdata.migrate.script import Script
from keras_bigdata.old_keras.layers import (
    DEFAULTS,
    LAYERS,
    SEQUENCE_LAYERS,
    WITHOUT_EFFECT,
    OldLayer,
    is_integer,
)

_GENERATOR_METHODS = {"fit_generator", "evaluate_generator", "predict_generator"}
# The number of positional arguments that mean the same in Keras 3, by the end of the name of the
# layer; otherwise it is 1.
_SAME_POSITIONS = {
    "BatchNormalization": 0,
    "Highway": 0,
    "Embedding": 3,
    "volution1D": 2,
    "Conv1D": 2,
    "Connected1D": 2,
}


def plan(script: Script) -> None:
    """Changes calls that have arguments of Keras 1, or notes their names in Keras 3."""
    calls = [_Call(script, call, name) for call in script.calls if (name := _layer(script, call))]
    # The generator rule reads the signs again in a second run, so they stay until it can decide.
    keeps_signs = has_signs_of_both(script) and any(
        _depends_on_version(script, call) for call in script.calls
    )
    version = version_of_script(script)
    hint = version == "1" or (
        version == "" and not keeps_signs and any(call.is_keras_1(False) for call in calls)
    )
    for call in calls:
        call.note_weights()
        if call.is_keras_1(hint):
            call.plan_keras_1(keeps_signs)
        elif call.has_sides:
            script.note(call.node, call.readings())
        call.plan_sequence_shape()
    for node in script.calls:
        shape = call_edits.find_argument(node, "batch_input_shape")
        if shape is not None and script.full_name(node.func).startswith("keras.layers."):
            script.note(
                node,
                f"{script.code(node.func)}: Keras 3 has no `batch_input_shape`. Add "
                f"keras.Input(batch_shape={script.code(shape.value)}) before the layer.",
            )


def _layer(script: Script, call: cst.Call) -> str:
    """Returns the name of a layer that Keras 1 had, or `""`."""
    name = script.full_name(call.func)
    last = name.rpartition(".")[2]
    return last if name.startswith("keras.layers.") and last in LAYERS else ""


def _depends_on_version(script: Script, call: cst.Call) -> bool:
    """Whether the generator rule reads the version of the file for a call."""
    func = call.func
    name = func.attr.value if isinstance(func, cst.Attribute) else getattr(func, "value", "")
    # `legacy.fit_generator(model, generator, ...)` has the model too.
    others = 2 if script.written_name(func).startswith("keras_bigdata.") else 1
    is_positional = len(call_edits.positional_args(call)) > others
    return name in _GENERATOR_METHODS and is_positional and not version_of_call(call)


@dataclass
class _Call:
    """A call of a layer.

    Attributes:
        script: the script.
        node: the call.
        name: the name of the class, in Keras 1 or later.
    """

    script: Script
    node: cst.Call
    name: str

    def __post_init__(self) -> None:
        self.layer: OldLayer = LAYERS[self.name]
        self.written = self.script.code(self.node.func)
        self.keywords = call_edits.keyword_names(self.node)
        self.is_starred = any(arg.star for arg in self.node.args)
        self.positional = call_edits.positional_args(self.node)
        self.values = [layer_values.value_of(self.script, arg.value) for arg in self.positional]
        self.has_sides = self._has_sides()

    def _has_sides(self) -> bool:
        rank = len(self.layer.kernel)
        values = self.values[1 : 1 + rank]
        if not rank or len(values) < 2:
            return False
        known = [value for value in values if value is not layer_values.UNKNOWN]
        if not all(map(is_integer, known)):
            return False
        is_old = self.layer.is_old_name or bool(self.layer.only_old & self.keywords)
        return len(known) == len(values) or (is_old and len(values) == rank)

    def is_keras_1(self, hint: bool) -> bool:
        """Whether the call is one of Keras 1, given whether the rest of the file is."""
        hint = hint or (self.layer.is_old_name and self.has_sides)
        return self.layer.is_keras_1(self.values, self.keywords, hint)

    def readings(self) -> str:
        """Returns both meanings of integers at the positions of the kernel."""
        code = self.script.code
        rank = len(self.layer.kernel)
        sides = [code(arg.value) for arg in self.positional[1 : 1 + rank]]
        as_keras_3 = ", ".join(
            f"{key}={side}"
            for key, side in zip(("kernel_size", "strides", "padding"), sides, strict=False)
        )
        return (
            f"{self.written}: in Keras 3 the positional arguments {', '.join(sides)} are "
            f"{as_keras_3}; in "
            f"Keras 1 they were the sides of the kernel. Write ({', '.join(sides)}) if they are "
            f"the kernel, or {as_keras_3}."
        )

    def note_weights(self) -> None:
        """Notes the argument `weights`."""
        if "weights" in self.keywords and self.name != "Embedding":
            arg = call_edits.find_argument(self.node, "weights")
            assert arg is not None
            self.script.note(
                self.node,
                f"{self.written}: Keras 3 has no `weights`. Remove it, and call "
                f"layer.set_weights({self.script.code(arg.value)}) after the layer is built.",
            )

    def plan_sequence_shape(self) -> None:
        """Replaces `input_dim` and `input_length` of layers of sequences by `input_shape`."""
        if self.name not in SEQUENCE_LAYERS and self.layer.target not in SEQUENCE_LAYERS:
            return
        dim = call_edits.find_argument(self.node, "input_dim")
        if dim is None or self.is_starred:
            return
        length = call_edits.find_argument(self.node, "input_length")
        length_code = "None" if length is None else self.script.code(length.value)
        shape = f"({length_code}, {self.script.code(dim.value)})"

        def edit(call: cst.Call) -> cst.Call:
            if length is not None:
                call = call_edits.remove_keyword(call, "input_length")
            return layer_values.replace_keyword(call, "input_dim", "input_shape", shape)

        self.script.edit(self.node, edit)

    def plan_keras_1(self, keeps_signs: bool) -> None:
        """Changes a call of Keras 1."""
        needs_edit = (
            self.has_sides
            or self.layer.is_keras_1(self.values, self.keywords, False)
            or bool(DEFAULTS.get(self.name, {}).keys() - self.keywords - {"recurrent_initializer"})
        )
        if not needs_edit:
            return
        problem = self._problem()
        if problem or keeps_signs:
            problem = problem or (
                "this file has signs of Keras 1 and of Keras 2. Name the step counts of its "
                "generator calls (samples_per_epoch or steps_per_epoch), and run migrate again"
            )
            self.script.note(
                self.node, f"{self.written}: not changed, because {problem}. {self._new_names()}"
            )
            return
        steps = self._steps()
        for step in steps:
            self.script.edit(self.node, step)

    def _problem(self) -> str:
        """Returns why the call cannot be changed, or `""`."""
        if self.is_starred:
            return "arguments are passed with `*` or `**`"
        for old, new in self.layer.renamed.items():
            if {old, new} <= self.keywords:
                return f"it has both {old} and {new}"
        names = sorted(self.layer.only_new & self.keywords)
        if self.has_sides and names:
            return f"Keras 1 did not have {', '.join(names)}"
        if self.has_sides and len(self.positional) <= len(self.layer.kernel):
            return "a side of the kernel is missing"
        if len(self.positional) > len(self.layer.positions):
            return "it has more positional arguments than Keras 1 took"
        named = self.keywords & set(self.layer.kernel)
        if named and named != set(self.layer.kernel):
            return "the kernel is passed by position and by name"
        if self.has_sides and any(
            "#" in self.script.code(arg) for arg in self.positional[1 : len(self.layer.kernel)]
        ):
            return "there are comments between the sides of the kernel"
        return ""

    def _new_names(self) -> str:
        """Returns the new names of the arguments, as the end of a note."""
        pairs = [f"{old} is {self.layer.renamed[old]}" for old in sorted(self._old_keywords())]
        if self.keywords & set(self.layer.kernel):
            pairs.append("the kernel is kernel_size=(rows, columns)")
        if self.has_sides:
            return self.readings()
        return f"In Keras 3: {', '.join(pairs)}." if pairs else ""

    def _old_keywords(self) -> set[str]:
        return self.keywords & set(self.layer.renamed)

    def _steps(self) -> list[call_edits.CallEdit]:
        """Returns the edits of the call, in their order."""
        layer, steps = self.layer, list[call_edits.CallEdit]()
        rank = len(layer.kernel)
        names = dict(enumerate(layer.positions[: len(self.positional)]))
        # `Conv2D(8, (3, 3), border_mode="same")` has the positions of Keras 2.
        is_keras_2 = bool(rank) and len(self.positional) > 1 and not self.has_sides
        if is_keras_2:
            names = {}
        kept = next((n for end, n in _SAME_POSITIONS.items() if self.name.endswith(end)), 1)
        kept = 1 + rank if self.has_sides else kept
        named = {position: name for position, name in names.items() if position >= kept}
        if named:
            steps.append(lambda call: call_edits.name_positional_args(call, named))
        if self.has_sides:
            steps.append(lambda call: layer_values.join_positional(call, 1, 1 + rank))
        keywords = self.keywords | set(named.values())
        if keywords & set(layer.kernel):
            steps.append(lambda call: layer_values.join_keywords(call, layer.kernel, "kernel_size"))
        for keyword in sorted(keywords & WITHOUT_EFFECT):
            steps.append(call_edits.remover(keyword))
        steps += layer_values.conversions(self.script, self.node, self.name, keywords, named)
        unconverted = layer_values.unconverted_arguments(self.script, self.node, layer, named)
        renamed = {
            old: new
            for old, new in layer.renamed.items()
            if old in keywords and old not in unconverted
        }
        steps.append(lambda call: call_edits.rename_keywords(call, renamed))
        for key, value in DEFAULTS.get(self.name, {}).items():
            if not {key, *(old for old, new in layer.renamed.items() if new == key)} & keywords:
                steps += layer_values.default(self.script, key, value)
        return steps

"""Arguments of layers that Keras 2 took without an effect, and that Keras 3 refuses."""

from __future__ import annotations

from keras_bigdata.migrate import call_edits
from keras_bigdata.migrate.script import Script
from keras_bigdata.old_keras.keras_2_layers import IGNORED_KERNEL_ARGUMENTS

_SEPARABLE = ("SeparableConv1D", "SeparableConv2D", "SeparableConvolution2D", "DepthwiseConv2D")


def plan(script: Script) -> None:
    """Removes `kernel_initializer` and similar arguments of separable convolutions."""
    for call in script.calls:
        if script.keras_name(call.func) in _SEPARABLE:
            for keyword in sorted(call_edits.keyword_names(call) & IGNORED_KERNEL_ARGUMENTS):
                script.edit(call, call_edits.remover(keyword))

"""`install()`: old methods, classes and modules where scripts for Keras 1 and 2 expect them."""

from __future__ import annotations

import re

import keras as installed_keras

from keras_bigdata.legacy import callback_arguments, callbacks, custom_metrics, data_arguments
from keras_bigdata.legacy.backend import installation as backend_functions
from keras_bigdata.legacy.backend import training_updates
from keras_bigdata.legacy.calling_script import set_default_keras_version
from keras_bigdata.legacy.layers import (
    activity_regularizers,
    base_layer,
    channels_first,
    constraints,
    constructors,
    custom_layers,
    gates,
    ignored_arguments,
    layer_updates,
    merged_masks,
    names_of_values,
    numpy_integers,
    regularizers,
    removed_layers,
    settable_kernels,
    time_distributed,
)
from keras_bigdata.legacy.models import (
    added_metrics,
    batch_methods,
    compile_arguments,
    compiled_losses,
    constant_inputs,
    fit_methods,
    functional_arguments,
    generator_methods,
    layer_list,
    layer_shapes,
    losses_of_tensors,
    metric_order,
    model_files,
    removed_methods,
    symbolic_losses,
    symbolic_tensors,
    weights_methods,
)
from keras_bigdata.legacy.modules import old_modules, preprocessing, tensorflow_1
from keras_bigdata.legacy.optimizers import arguments as optimizer_arguments
from keras_bigdata.legacy.optimizers import learning_rate, shared_optimizers
from keras_bigdata.legacy.training import (
    binary_accuracy,
    callback_data,
    frozen_statistics,
    trainable_at_compile,
    weighted_losses,
)

# Each has a function `install()`, which changes Keras through `patching`.
_TOPICS = (
    generator_methods,
    fit_methods,
    batch_methods,
    compile_arguments,
    compiled_losses,
    metric_order,
    functional_arguments,
    removed_methods,
    layer_shapes,
    layer_list,
    losses_of_tensors,
    constant_inputs,
    symbolic_losses,
    added_metrics,
    symbolic_tensors,
    weights_methods,
    model_files,
    callbacks,
    data_arguments,
    callback_arguments,
    backend_functions,
    custom_metrics,
    preprocessing,
    base_layer,
    activity_regularizers,
    gates,  # before `constructors`, which pass it the arguments of Keras 3
    constructors,
    numpy_integers,
    channels_first,
    removed_layers,
    regularizers,
    constraints,
    merged_masks,
    time_distributed,
    layer_updates,
    settable_kernels,
    names_of_values,
    training_updates,
    optimizer_arguments,
    learning_rate,
    shared_optimizers,
    frozen_statistics,
    trainable_at_compile,
    weighted_losses,
    callback_data,
    binary_accuracy,
    custom_layers,
    ignored_arguments,
    tensorflow_1,
    old_modules,  # last: it explains the names that no other topic has added
)


# With Keras 3.8 to 3.13 the loss of a regularizer of activities was 0.4 instead of 0.1, and
# gradients of symbolic tensors failed. With 3.14 targets in a dict gave another loss than in a
# list: 40.6 and 39.0.
_MIN_KERAS = (3, 15)


def install(keras: int | None = None) -> None:
    """Adds the old methods, callbacks and modules to Keras, where old scripts expect them.

    - `fit_generator`, `evaluate_generator` and `predict_generator` become methods of
      `keras.Model`, and `save_weights` takes the old names of HDF5 files.
    - `fit`, `evaluate`, `predict`, `train_on_batch`, `compile` and `Model(input=, output=)` take
      the arguments and the forms of data of Keras 1 and 2; `metrics_names`, the order of results
      and the names in the History are those of Keras 2. `predict_classes`, `layer.output_shape`,
      `layer.get_output_at` and `model.layers.pop()` work again.
    - `ModelCheckpoint` and `TensorBoard` in `keras.callbacks` and `tf.keras.callbacks` take the
      arguments of Keras 1 and 2.
    - `ImageDataGenerator` is in `keras.preprocessing.image` again, and its iterators have `next()`;
      all modules and names of Keras 1.2.2 and 2.2.4 can be imported, and names without a
      replacement raise an error with an explanation when they are used.
    - Layers take the arguments of Keras 1 (`Convolution2D(8, 3, 3, border_mode="same")`,
      `LSTM(output_dim=32, dropout_W=0.2)`), and layers that were removed are there again (`Merge`,
      `MaxoutDense`, `Highway`, `LocallyConnected2D`).
    - Optimizers take `lr=`, `decay=` and the positional arguments of Keras 1 and 2, and have `.lr`.
    - Weights that were trainable at `compile` are trained, as in Keras 1 and 2.
    - In a script that imports `keras`, and not `tensorflow.keras`, the defaults are those of that
      package: learning rates and `epsilon` of optimizers, gates of LSTM and GRU, frozen
      BatchNormalization with the statistics of the batch, `accuracy` of binary losses, losses
      divided by the number of weights that are not zero, regularizers of activities summed over
      the batch. A warning names each of these defaults and its value in Keras 3.
    - `concatenate`, `add` and the other merging layers mask a step that one of their inputs masks.
    - Models are saved and loaded under any name; callbacks have `validation_data`, the old `params`
      and `batch` and `size` in the logs of batches; custom layers may call `add_weight` by position
      and assign `trainable_weights`.
    - `keras.backend` has its old functions, for symbolic tensors too, and losses and metrics that
      are written with them receive the targets as in Keras 2. Sessions of TensorFlow 1 only apply
      their settings.

    Call it before the script imports names from Keras, or run the script with
    `python -m keras_bigdata.legacy script.py`. Calling it again has no further effect.

    Args:
        keras: 1 or 2: whether a positional number of steps, as in
            `model.fit_generator(batches, 2000, 10)`, counts samples (Keras 1) or batches (Keras 2)
            if nothing else in the calls shows it. With 1, calls of layers that show no version,
            such as `Conv2D(8, 3, 3)` and `LSTM(32)`, are read as in Keras 1 too, `fit` trains 10
            epochs by default, and `get_layer("dense_1")` is the first layer of its kind. `None`
            leaves the setting unchanged; initially it is 2. Defaults to `None`.

    Raises:
        ValueError: if `keras` is another number.
        RuntimeError: if Keras is older than 3.15: some results would not be the old ones.

    Example:

    ```python
    from keras_bigdata import legacy

    legacy.install()
    model.fit_generator(iter([(x, y)]), steps_per_epoch=1)
    ```
    """
    _refuse_older_keras()
    if keras is not None:
        set_default_keras_version(keras)
    for topic in _TOPICS:
        topic.install()


def _refuse_older_keras() -> None:
    version = re.match(r"(\d+)\.(\d+)", installed_keras.__version__)
    if version is not None and tuple(map(int, version.groups())) < _MIN_KERAS:
        needed = ".".join(map(str, _MIN_KERAS))
        raise RuntimeError(
            f"legacy.install() needs Keras {needed} or later: with earlier releases, regularizers "
            "of activities, dicts of targets and functions of symbolic tensors give other results "
            f"than in Keras 1 and 2. Received: Keras {installed_keras.__version__}. Update it, or "
            "call `legacy.fit_generator` and the other functions of `legacy` without `install`."
        )

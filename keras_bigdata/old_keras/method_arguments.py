"""Arguments of the methods and of the constructor of models in Keras 1 and 2."""

from __future__ import annotations

# Arguments of `Model` in Keras 1, and their names since Keras 2.
RENAMED_MODEL_ARGUMENTS = {"input": "inputs", "output": "outputs"}

# The positional arguments of `fit`, `evaluate` and `predict`. All releases since Keras 1 have them
# in this order; `epochs` was `nb_epoch` in Keras 1.
FIT_POSITIONS = (
    *("x", "y", "batch_size", "epochs", "verbose", "callbacks", "validation_split"),
    *("validation_data", "shuffle", "class_weight", "sample_weight", "initial_epoch"),
    *("steps_per_epoch", "validation_steps", "validation_batch_size", "validation_freq"),
    *("max_queue_size", "workers", "use_multiprocessing"),
)
EVALUATE_POSITIONS = (
    *("x", "y", "batch_size", "verbose", "sample_weight", "steps", "callbacks"),
    *("max_queue_size", "workers", "use_multiprocessing"),
)
PREDICT_POSITIONS = (
    *("x", "batch_size", "verbose", "steps", "callbacks"),
    *("max_queue_size", "workers", "use_multiprocessing"),
)

# Arguments that configure how batches of a `Sequence` or a generator are read, and their names in
# Keras 2. They had no effect on arrays.
QUEUE_ARGUMENTS = {
    "max_queue_size": "max_queue_size",
    "max_q_size": "max_queue_size",
    "workers": "workers",
    "nb_worker": "workers",
    "use_multiprocessing": "use_multiprocessing",
    "pickle_safe": "use_multiprocessing",
}

# The arguments that `fit_generator`, `evaluate_generator` and `predict_generator` have too, besides
# those of QUEUE_ARGUMENTS.
SHARED_ARGUMENTS = {
    "fit": {
        *("steps_per_epoch", "epochs", "verbose", "callbacks", "validation_data"),
        *("validation_steps", "validation_freq", "class_weight", "shuffle", "initial_epoch"),
    },
    "evaluate": {"steps", "verbose", "callbacks"},
    "predict": {"steps", "verbose", "callbacks"},
}

# The number of epochs of `fit` in Keras 1 if `nb_epoch` was not passed. In Keras 2 it was 1.
KERAS_1_DEFAULT_EPOCHS = 10

# The positional arguments of `compile` in Keras 1 and 2, of that of `Sequential` in Keras 1, and in
# Keras 3, where `loss_weights` comes before `metrics`.
COMPILE_POSITIONS = (
    *("optimizer", "loss", "metrics", "loss_weights", "sample_weight_mode"),
    *("weighted_metrics", "target_tensors"),
)
KERAS_1_SEQUENTIAL_COMPILE_POSITIONS = ("optimizer", "loss", "metrics", "sample_weight_mode")
NEW_COMPILE_POSITIONS = (
    *("optimizer", "loss", "loss_weights", "metrics", "weighted_metrics"),
    *("run_eagerly", "steps_per_execution"),
)

# Arguments of `compile` that have no effect on Keras 3, and why.
IGNORED_COMPILE_ARGUMENTS = {
    "class_mode": "the loss and the metrics show it",
    "sample_weight_mode": "the shape of the sample weights shows it",
}

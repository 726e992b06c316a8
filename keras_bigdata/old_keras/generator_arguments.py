"""Arguments of `fit_generator`, `evaluate_generator` and `predict_generator` in Keras 1 and 2."""

from __future__ import annotations

from keras_bigdata.old_keras.method_arguments import QUEUE_ARGUMENTS

# The methods of Keras 3 that take generators.
NEW_METHODS = {
    "fit_generator": "fit",
    "evaluate_generator": "evaluate",
    "predict_generator": "predict",
}

# Numbers of samples in Keras 1, which Keras 2 replaced by numbers of batches.
SAMPLE_COUNTS = {"samples_per_epoch", "nb_val_samples", "val_samples"}
STEP_COUNTS = ("steps_per_epoch", "validation_steps", "steps")

# Names that only Keras 1 had, and names that only Keras 2 had. `max_q_size` and `pickle_safe` are
# in neither set: Keras 2.0.0 to 2.0.5 still had them.
ONLY_KERAS_1 = SAMPLE_COUNTS | {"nb_epoch", "nb_worker", "nb_val_worker"}
ONLY_KERAS_2 = {
    *STEP_COUNTS,
    *("epochs", "validation_freq", "shuffle"),
    *("max_queue_size", "workers", "use_multiprocessing"),
}

# Arguments that Keras 2 only renamed.
RENAMED_ARGUMENTS = {
    "nb_epoch": "epochs",
    **{old: new for old, new in QUEUE_ARGUMENTS.items() if old != new},
}

# The positional arguments of Keras 1 and of Keras 2. The later ones differ between releases of
# Keras 2, which inserted `validation_freq` and `callbacks`.
KERAS_1_POSITIONS = {
    "fit_generator": (
        *("generator", "samples_per_epoch", "nb_epoch", "verbose", "callbacks"),
        *("validation_data", "nb_val_samples"),
    ),
    "evaluate_generator": ("generator", "val_samples"),
    "predict_generator": ("generator", "val_samples"),
}
KERAS_2_POSITIONS = {
    "fit_generator": (
        *("generator", "steps_per_epoch", "epochs", "verbose", "callbacks"),
        *("validation_data", "validation_steps"),
    ),
    "evaluate_generator": ("generator", "steps"),
    "predict_generator": ("generator", "steps"),
}

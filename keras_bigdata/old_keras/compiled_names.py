"""Names of losses and metrics in `compile` that Keras 1 and 2 knew, and Keras 3 does not."""

from __future__ import annotations

# Old name -> name in Keras 3. `cosine_proximity` was the negative cosine, as this loss is.
LOSS_NAMES = {
    "logcosh": "log_cosh",
    "kullback_leibler_divergence": "kl_divergence",
    "cosine": "cosine_similarity",
    "cosine_proximity": "cosine_similarity",
    "huber_loss": "huber",
}

# Old name of a metric -> the function of `keras.losses`, and the name under which Keras logged it.
LOSSES_AS_METRICS = {
    "logcosh": ("log_cosh", "logcosh"),
    "log_cosh": ("log_cosh", "log_cosh"),
    "kullback_leibler_divergence": ("kl_divergence", "kullback_leibler_divergence"),
    "kld": ("kl_divergence", "kullback_leibler_divergence"),
    "KLD": ("kl_divergence", "kullback_leibler_divergence"),
    "cosine": ("cosine_similarity", "cosine_proximity"),
    "cosine_proximity": ("cosine_similarity", "cosine_proximity"),
}

# Metrics of Keras 1, which it computed batch by batch. `"precision"` and `"recall"` are metrics of
# Keras 3 too, computed over all rows.
BATCH_METRICS = ("fmeasure", "fscore", "f1score", "fbeta_score", "matthews_correlation")

BATCH_METRICS_IN_KERAS_3 = ("precision", "recall")

# The metric whose kind Keras 2 chose by the loss and by the outputs.
CROSSENTROPY = ("crossentropy", "ce")
CROSSENTROPIES = (
    "binary_crossentropy",
    "sparse_categorical_crossentropy",
    "categorical_crossentropy",
)

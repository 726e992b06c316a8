"""The arguments and default values of optimizers in Keras 1 and 2.

The package `keras` had them until its last release before 3 (2.3). `tensorflow.keras` 2 had those
of Keras 3, except for `lr` and `decay`.
"""

from __future__ import annotations

# The positional arguments, in their order.
POSITIONS: dict[str, tuple[str, ...]] = {
    "SGD": ("lr", "momentum", "decay", "nesterov"),
    "RMSprop": ("lr", "rho", "epsilon", "decay"),
    "Adagrad": ("lr", "epsilon", "decay"),
    "Adadelta": ("lr", "rho", "epsilon", "decay"),
    "Adam": ("lr", "beta_1", "beta_2", "epsilon", "decay", "amsgrad"),
    "Adamax": ("lr", "beta_1", "beta_2", "epsilon", "decay"),
    "Nadam": ("lr", "beta_1", "beta_2", "epsilon", "schedule_decay"),
}

# The positional arguments of Keras 3 as far as scripts use them.
NEW_POSITIONS: dict[str, tuple[str, ...]] = {
    "SGD": ("learning_rate", "momentum", "nesterov"),
    "RMSprop": ("learning_rate", "rho", "momentum", "epsilon"),
    "Adagrad": ("learning_rate", "initial_accumulator_value", "epsilon"),
    "Adadelta": ("learning_rate", "rho", "epsilon"),
    "Adam": ("learning_rate", "beta_1", "beta_2", "epsilon", "amsgrad"),
    "Adamax": ("learning_rate", "beta_1", "beta_2", "epsilon"),
    "Nadam": ("learning_rate", "beta_1", "beta_2", "epsilon"),
}

OPTIMIZERS = tuple(POSITIONS)

# Default learning rates of `keras` that differ from those of `tensorflow.keras` 2 and Keras 3.
LEARNING_RATES = {"Adadelta": 1.0, "Adagrad": 0.01, "Adamax": 0.002, "Nadam": 0.002}
NEW_LEARNING_RATE = 0.001

# The default of `epsilon`, which Keras 2 took from `keras.backend.epsilon()`.
EPSILONS = {1: 1e-8, 2: 1e-7}

# Optimizers that added `epsilon` to the root of the mean square. Keras 3 adds it to the square.
EPSILON_OUTSIDE_ROOT = frozenset({"RMSprop", "Adagrad"})

# Arguments that no release of the package `keras` before 3 had.
NEW_ARGUMENTS = frozenset(
    {
        *("weight_decay", "global_clipnorm", "use_ema", "ema_momentum", "ema_overwrite_frequency"),
        *("loss_scale_factor", "gradient_accumulation_steps", "name", "centered"),
        "initial_accumulator_value",
    }
)


def shared_positions(name: str) -> int:
    """Returns how many positional arguments mean the same in Keras 1, 2 and 3."""
    pairs = zip(POSITIONS[name][1:], NEW_POSITIONS[name][1:], strict=False)
    return 1 + next(
        (number for number, (old, new) in enumerate(pairs) if old != new),
        min(len(POSITIONS[name]), len(NEW_POSITIONS[name])) - 1,
    )

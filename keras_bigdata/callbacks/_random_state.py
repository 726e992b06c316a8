"""The global random generators. Those of layers are variables of the model."""

from __future__ import annotations

import random
from typing import Any

import keras
import numpy as np


def read() -> dict[str, Any]:
    """The states of Python's, NumPy's, Keras's and torch's global generators."""
    state: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": np.random.get_state(legacy=False),
    }
    seeds = _keras_generator(make=False)
    if seeds is not None:
        state["keras"] = np.array(keras.ops.convert_to_numpy(seeds.state.value), copy=True)
    if keras.backend.backend() == "torch":
        import torch

        state["torch"] = torch.get_rng_state().numpy()
        state["cuda"] = [s.numpy() for s in torch.cuda.get_rng_state_all()]
    return state


def restore(state: dict[str, Any]) -> None:
    """Sets the generators to what `read` gave."""
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])
    if "keras" in state:
        _keras_generator(make=True).state.assign(state["keras"])
    if "torch" in state and keras.backend.backend() == "torch":
        import torch

        torch.set_rng_state(torch.from_numpy(state["torch"]))
        torch.cuda.set_rng_state_all([torch.from_numpy(s) for s in state["cuda"]])


def begin_epoch(seed: int, epoch: int) -> None:
    """On torch, sets the generator to what depends on nothing but (seed, epoch).

    It drives Dropout, and every iteration of a data loader draws from it: how often that is, is not
    the same in an epoch that was resumed.
    """
    if keras.backend.backend() == "torch":
        import torch

        words = np.random.SeedSequence(seed, spawn_key=(epoch,)).generate_state(2, np.uint32)
        torch.manual_seed(int(words[0]) << 31 ^ int(words[1]))


def _keras_generator(make: bool) -> Any:
    """What `keras.random` uses without a seed. Keras has no public way to it."""
    from keras.src.backend.common import global_state
    from keras.src.random import seed_generator

    if make:
        return seed_generator.global_seed_generator()
    return global_state.get_global_attribute(seed_generator.GLOBAL_SEED_GENERATOR)

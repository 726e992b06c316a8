"""What Keras and the backends say about the processes that train together."""

from __future__ import annotations

import sys
from typing import Any

import keras
import numpy as np
import numpy.typing as npt


def active_parts() -> dict[str, tuple[int, int]]:
    """Returns `(rank, size)`, which part of each batch this process trains on, by its source.

    An active `keras.distribution` decides alone: processes that share a replica of the model take
    the same rows. Otherwise the parts are those of `jax.distributed` and `torch.distributed`, if
    they are initialized.

    Raises:
        ValueError: under a `tf.distribute` strategy of several workers, which divides datasets by
            itself.
    """
    _refuse_multi_worker_strategy()
    distribution = keras.distribution.distribution()
    if distribution is not None:
        return {f"keras.distribution.{type(distribution).__name__}": _part_of(distribution)}
    found = {}
    processes = jax_processes()
    if processes is not None:
        found["JAX"] = processes
    processes = torch_processes()
    if processes is not None:
        found["torch.distributed"] = processes
    return found


def is_joint_distribution_active() -> bool:
    """Returns whether an active `keras.distribution` joins several processes."""
    distribution = keras.distribution.distribution()
    return distribution is not None and getattr(distribution, "num_processes", 1) > 1


def num_replicas() -> int:
    """Returns the number of copies of the model, which every batch is divided among.

    Without an active `keras.distribution`, there is one.
    """
    distribution = keras.distribution.distribution()
    if distribution is None:
        return 1
    return int(getattr(distribution, "num_model_replicas", 1))


def model_joins_processes(model: Any) -> bool:
    """Returns whether `fit` and `evaluate` of a model work together with those of other processes.

    An active `keras.distribution` does so, and Keras on torch if `torch.distributed` is
    initialized. A custom `train_step` may do so.
    """
    joins_torch = may_join_torch_processes(model) and torch_processes() is not None
    if is_joint_distribution_active() or joins_torch:
        return True
    return getattr(type(model), "train_step", None) is not keras.Model.train_step


def may_join_torch_processes(model: Any) -> bool:
    """Returns whether Keras trains a model in all processes of `torch.distributed` together.

    Keras 3.16 does so (https://github.com/keras-team/keras/pull/23044).

    Finds: the attribute `ddp_model`, which is `None` until the model is built.

    Seen in: Keras 3.16 (sources of August 2026).

    Upstream: none filed.

    Without it: a warning that is not needed, and each process writes the files of callbacks.
    """
    return hasattr(model, "ddp_model")


def is_divided(variable: Any) -> bool:
    """Returns whether each process holds a part of a variable, as `ModelParallel` may lay it out.

    Finds: `is_fully_addressable` and `is_fully_replicated` of the `jax.Array` in `variable.value`.

    Seen in: Keras 3.15.1 with JAX 0.10.

    Upstream: none filed. `keras.ops.convert_to_numpy` fails for such variables.

    Without it: the error of JAX, when a checkpoint is written.
    """
    value = getattr(variable, "value", None)
    if getattr(value, "is_fully_addressable", True):
        return False
    return not getattr(value, "is_fully_replicated", True)


def whole_value(variable: Any) -> npt.NDArray[Any]:
    """Returns the value of a variable. If processes divide it, all of them must call this."""
    if is_divided(variable):
        from jax.experimental import multihost_utils

        return np.asarray(multihost_utils.process_allgather(variable.value, tiled=True))
    return np.asarray(keras.ops.convert_to_numpy(variable))


def torch_processes() -> tuple[int, int] | None:
    """Returns rank and number of the processes, if `torch.distributed` is initialized."""
    torch: Any = sys.modules.get("torch.distributed")
    if torch is None or not torch.is_available() or not torch.is_initialized():
        return None
    return torch.get_rank(), torch.get_world_size()


def jax_processes() -> tuple[int, int] | None:
    """Returns rank and number of the processes of JAX, if `jax.distributed` is initialized."""
    jax: Any = sys.modules.get("jax")
    # `process_index` initializes the backends, which must come after
    # `jax.distributed.initialize`.
    is_initialized = getattr(getattr(jax, "distributed", None), "is_initialized", None)
    if is_initialized is None or not is_initialized():  # JAX before 0.4.34 has no such function
        return None
    return jax.process_index(), jax.process_count()


def refuse_automatic_sharding() -> None:
    """Raises an error if Keras would divide the batches of a dataset among processes by itself.

    Keras 3.16 serves only every k-th batch to each of k processes
    (https://github.com/keras-team/keras/pull/23044): no epoch would ever be complete, and the same
    epoch would be served forever. There, Keras 3.15 refuses every dataset except `tf.data`.

    Raises:
        ValueError: if it would; the message contains the two lines to write instead.
    """
    distribution = keras.distribution.distribution()
    if distribution is None or not getattr(distribution, "auto_shard_dataset", False):
        return
    processes = getattr(distribution, "num_processes", 1)
    if processes > 1:
        name = type(distribution).__name__
        raise ValueError(
            f"Keras would divide the batches of this ShardSequence among {processes} processes, "
            "and no process would serve a whole epoch. Divide each batch instead, by two lines:\n"
            f"  keras.distribution.set_distribution(keras.distribution.{name}(..., "
            "auto_shard_dataset=False))\n"
            "  ShardSequence(..., batch_size=rows_of_all_processes, part='auto')\n"
            f"Received: the active {name} with auto_shard_dataset=True"
        )


def _part_of(distribution: Any) -> tuple[int, int]:
    processes = getattr(distribution, "num_processes", 1)
    if processes == 1:
        return 0, 1
    replicas = getattr(distribution, "num_model_replicas", processes)
    return int(distribution.data_shard_id), min(int(replicas), int(processes))


def _refuse_multi_worker_strategy() -> None:
    tensorflow: Any = sys.modules.get("tensorflow")
    if tensorflow is None or not hasattr(tensorflow, "distribute"):
        return
    resolver = getattr(tensorflow.distribute.get_strategy(), "cluster_resolver", None)
    workers = 0 if resolver is None else len(resolver.cluster_spec().as_dict().get("worker", ()))
    if workers > 1:
        raise ValueError(
            f"A tf.distribute strategy of {workers} workers is active. It divides the batches of a "
            "dataset by itself, and Keras 3 does not support it "
            "(https://github.com/keras-team/keras/issues/20585). Train with the JAX backend and "
            "keras.distribution, or with one worker and tf.distribute.MirroredStrategy."
        )

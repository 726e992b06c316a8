"""Measurements of how fast shards can be read, and of what limits training on them.

measure     `bench`: how fast shards are read and fed to `fit` (disk, store, null_model)
rates       its results
cost        `EpochCost`: from which epoch on packing pays off
shuffle_quality    how well an order mixes the rows of a set

`bench` is imported on first use, because it needs Keras and `EpochCost` does not.
"""

from typing import TYPE_CHECKING, Any

from keras_bigdata.bench.cost import EpochCost
from keras_bigdata.bench.rates import Rates

if TYPE_CHECKING:
    from keras_bigdata.bench.measure import bench

__all__ = ["EpochCost", "Rates", "bench"]


def __getattr__(name: str) -> Any:
    if name != "bench":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from keras_bigdata.bench.measure import bench

    return bench

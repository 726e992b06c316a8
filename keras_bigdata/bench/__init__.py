"""What feeding a model from some shards can deliver on this machine, and what limits it."""

from keras_bigdata.bench.measure import bench
from keras_bigdata.bench.rates import Rates

__all__ = ["Rates", "bench"]

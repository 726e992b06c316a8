"""Layers as Keras 1 and 2 had them.

arguments             calls with the arguments of Keras 1, as calls of Keras 3
values                the values of arguments: initializers, `hard_sigmoid`, data formats
constructors          the constructors of Keras's layers
old_names             names of classes that only scripts for Keras 1 use
signatures            wrappers of constructors that Keras can look into
base_layer            arguments that every layer took: `weights`, `batch_input_shape`
removed_layers        adds the layers that Keras 3 does not have
deconvolution         `Deconvolution2D(output_shape=)`
embedding             `Embedding(dropout=)`
batch_normalization   `BatchNormalization(mode=)`
maxout_dense, highway, locally_connected, merge    layers that Keras 3 does not have
regularizers          `l1l2`, `l2(l=)`, `WeightRegularizer`
constraints           `maxnorm(m=)`
"""

from keras_bigdata.legacy.layers.batch_normalization import (
    BatchStatisticsNormalization,
    SampleNormalization,
)
from keras_bigdata.legacy.layers.embedding import DropoutEmbedding
from keras_bigdata.legacy.layers.highway import Highway
from keras_bigdata.legacy.layers.locally_connected import LocallyConnected1D, LocallyConnected2D
from keras_bigdata.legacy.layers.maxout_dense import MaxoutDense
from keras_bigdata.legacy.layers.merge import Merge, merge
from keras_bigdata.legacy.layers.values import OldInitializer, hard_sigmoid

__all__ = [
    "BatchStatisticsNormalization",
    "DropoutEmbedding",
    "Highway",
    "LocallyConnected1D",
    "LocallyConnected2D",
    "MaxoutDense",
    "Merge",
    "OldInitializer",
    "SampleNormalization",
    "hard_sigmoid",
    "merge",
]

"""Layers as Keras 1 and 2 had them.

arguments             calls with the arguments of Keras 1, as calls of Keras 3
values                the values of arguments: initializers, `hard_sigmoid`, data formats
constructors          the constructors of Keras's layers, and old names of their classes
numpy_integers        NumPy integers as sizes
signatures            wrappers of constructors whose signatures Keras can inspect
base_layer            arguments that every layer took: `weights`, `batch_input_shape`
removed_layers        adds the layers that Keras 3 does not have
channels_first        convolutions with channels first on a CPU
deconvolution         `Deconvolution2D(output_shape=)`
embedding             `Embedding(dropout=)`
batch_normalization   `BatchNormalization(mode=)`
merged_masks          masks of `concatenate`, `add` and the like
time_distributed      `TimeDistributed` calls a layer with a BatchNormalization once
maxout_dense, highway, locally_connected, merge    layers that Keras 3 does not have
regularizers          `l1l2`, `l2(l=)`, `WeightRegularizer`
constraints           `maxnorm(m=)`
names_of_values       `kernel_constraint="maxnorm"`, `kernel_regularizer="l1_l2"`
custom_layers         `add_weight` by position, `trainable_weights`, `get_output_shape_for`
layer_updates         `add_update`, `reset_states(states)`
settable_kernels      `self.kernel = ...` in a subclass of a layer of Keras
gates                 `hard_sigmoid`, and the default gates of LSTM and GRU in Keras 2
ignored_arguments     arguments that Keras 2 took without an effect

A call is one of Keras 1 if it has an argument of Keras 1, if it has a value at a position that
Keras 3 does not take there (`Dense(8, "uniform")`), if only Keras 1 had the name of the class
(`Convolution2D`), or if the user says so (`install(keras=1)`). Only in such calls do these have the
values of Keras 1:

- `hard_sigmoid` is the default `inner_activation` of LSTM, GRU and ConvLSTM2D, and has the slope
  0.2 (Keras 3: `sigmoid`, and a slope of 1/6);
- GRU has `reset_after=False`;
- `orthogonal` has the gain 1.1, and is the default of recurrent weights;
- `activity_regularizer` is summed over the batch (Keras 3: averaged), also in other scripts for
  `keras` (activity_regularizers).

`AveragePooling2D()` has a pool size of 2 in every call.

These are not as in Keras 1: `he_normal` and `glorot_normal` are truncated; with `consume_less`
other than `"gpu"` each gate had its own dropout mask and LSTM initialized its recurrent weights
with `init`; recurrent layers take `weights` in the layout of Keras 3.
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
from keras_bigdata.legacy.layers.values import OldInitializer, SummedOverBatch, hard_sigmoid

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
    "SummedOverBatch",
    "hard_sigmoid",
    "merge",
]

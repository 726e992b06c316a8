"""Suffixes of file names by which Keras 3 selects the format of a model."""

from __future__ import annotations

HDF5_SUFFIXES = (".h5", ".hdf5")
MODEL_SUFFIXES = (".keras", *HDF5_SUFFIXES)

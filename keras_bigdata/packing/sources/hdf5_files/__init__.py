"""Datasets of HDF5 files.

hdf5_file      datasets, read in parts
hdf5_columns   labels and texts, and checks of the others
hdf5_vlen      rows of any length
hdf5_origin    which files the values come from
"""

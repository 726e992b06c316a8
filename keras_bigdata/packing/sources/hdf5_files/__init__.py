"""Datasets of HDF5 files.

hdf5_file      the datasets of a file, read in parts
hdf5_columns   labels and texts, and checks of the others
hdf5_vlen      datasets whose rows have any length
hdf5_origin    checks which files the values come from
"""

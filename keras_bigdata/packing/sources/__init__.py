"""The sources that `pack` accepts: objects with `len()` and `[row]` -> dict of fields.

tables        columns of a table -> fields
texts         texts -> token ids
images        image files -> arrays
hdf5_files    datasets of HDF5 files

base, table_rows, image_rows       base classes
arrays, image_table, image_folder,
frame_folder, text_table, hdf5     the public sources
sample_list, dataset_rows          a list of dicts, a Hugging Face dataset
default_roles                      the roles of fields if none are named
any_length                         columns in memory whose rows may have any length
map_files                          the sizes and times of many files, in threads
"""

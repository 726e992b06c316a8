"""The sources that `pack` accepts: objects with `len()` and `[row]` -> dict of fields.

arrays, image_table, image_folder,
frame_folder, text_table, hdf5        the public sources
base, table_rows, image_rows          their base classes
sample_list, dataset_rows             a list of dicts, a Hugging Face dataset
any_length                            columns in memory whose rows may have any length
table, file_names, kept_columns       columns of a table, the file of each row, what is kept
class_folders                         what lies in folders of classes
class_filter                          rows of classes that are not asked for
problems                              row -> column -> why it cannot be packed
frames, masks                         files -> arrays
image_store, image_files              how images are stored, files that are stored as they are
encode_images                         new files -> arrays, as packed ones
labels, targets                       labels -> class numbers, columns -> targets
numbers, row_weights                  columns -> float32, sample weights
input_fields                          the fields that are inputs of a table
tokens, text_columns, text_length     texts -> token ids, of columns, how many per row
padding                               lists of unequal length -> arrays
hdf5_file, hdf5_columns               datasets, labels and texts read in parts
hdf5_vlen                             datasets whose rows have any length
hdf5_origin                           which files the values of a dataset come from
"""

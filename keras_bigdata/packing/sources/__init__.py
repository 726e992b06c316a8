"""What can be packed: objects with `len()` and `[row]` -> dict of fields.

image_table, image_folder, frame_folder, text_table, arrays, hdf5   what users name

pictures, rows            what those of pictures, and all of tables, have in common
table, file_names         columns of a CSV file, the file of each row
class_folders             the folders of a folder
images, frames, masks     files -> arrays
labels, targets           labels -> class numbers, columns to predict
text, ragged              texts and lists -> arrays
hdf5_file, hdf5_columns   datasets read in parts
split                     rows in two parts
"""

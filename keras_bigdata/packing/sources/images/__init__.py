"""Reads image files as arrays, or as the files that they are.

class_folders   lists the files in class folders, and what is left out
image_files     the content of a file, checked
image_store     how images are stored
encode_images   new files as `pack` would write them: `encode_images`
frames, masks   folders of frames, and masks of classes
"""

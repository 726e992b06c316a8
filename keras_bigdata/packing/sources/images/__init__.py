"""Image files -> arrays.

class_folders   what lies in folders of classes
image_files     the content of a file, checked
image_store     how images are stored
encode_images   new files, as packed ones: `encode_images`
frames, masks   folders of frames, and masks of classes
"""

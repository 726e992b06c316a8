"""Images: files of any format -> pixels, and pixels -> JPEG or PNG.

eight_bits  images of any mode and depth -> 8 bits, color or grayscale
resizing    how an image is brought to a given size
header      the content of an image file -> format and size
open_image  opens image files of any format, upright and in 8 bits
tiff        the values of TIFF files that Pillow does not read as they are
load_image  an image file -> 8-bit pixels of a given size (full_range: its 16-bit or float values)
encode      pixels -> the content of an image file
crops       which part of an image is decoded for a batch
decode      the content of an image file -> pixels in a given array (jpeg: by simplejpeg)
limits      the largest image that is decoded
"""

"""Images: pixels -> JPEG or PNG, and back.

encode      pixels -> the content of an image file
crops       which part of an image becomes one of a batch
decode      the content of an image file -> pixels in a given array (jpeg: by simplejpeg)
limits      the largest image that is decoded
"""

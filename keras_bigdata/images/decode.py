"""The content of an image file -> pixels in a given array."""

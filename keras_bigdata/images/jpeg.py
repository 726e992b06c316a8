"""JPEG files by simplejpeg, if it is installed."""

"""Images: pixels -> JPEG or PNG, and back.

| file | |
|---|---|
| `encode` | pixels -> the content of an image file |
| `decode` | the content of an image file -> pixels in a given array |
| `jpeg` | JPEG by simplejpeg, if it is installed, or by Pillow |
"""

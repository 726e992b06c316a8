"""URLs, and the drivers and options with which they are read.

url               checks a URL, and names the package that its scheme needs
storage_options   the options of a driver, whose values are never printed
filesystem        the driver of a scheme, one per process and set of options
"""

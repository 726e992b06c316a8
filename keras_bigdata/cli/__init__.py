"""Command line `keras-bigdata`.

The modules parse arguments and print results; the rest of the package does the work.

main        the parser, error messages, exit status (__main__)
pack        `pack images`, `pack texts`, `pack hdf5`, `pack generator` (pack_options, load_function)
info        `info`
integrity   `verify` and `repair`
bench       `bench`
estimate    `estimate` (storage_estimate: `estimate` of image files)
migrate     `migrate`
report      `report`
show        `show`
shuffle     `shuffle-report`

Used by several of them: argument_types, url_options, formatting, option_names, scheduler,
completion.
"""

from keras_bigdata.cli.main import main

__all__ = ["main"]

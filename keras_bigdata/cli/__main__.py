"""Entry point of `python -m keras_bigdata.cli`."""

import sys

from keras_bigdata.cli.main import main

sys.exit(main())

"""`python -m keras_bigdata.cli`."""

import sys

from keras_bigdata.cli.command_line import main

sys.exit(main())

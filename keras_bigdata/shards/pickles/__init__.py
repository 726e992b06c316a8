"""Finds and reads the arrays in a pickle without running the pickle.

The files, in the order in which the data pass through them:

| file | idea |
| --- | --- |
| `source` | the bytes of a file, read with every length checked |
| `compression` | the same for a compressed file |
| `nodes` | the values that opcodes produce: symbols, never objects |
| `payloads` | the bytes or the text that a node refers to |
| `machine` | the state of the interpreter: stack, marks and memo |
| `literals` | the opcodes of numbers, byte strings and texts |
| `opcodes` | all other opcodes, and the loop over them: `parse` |
| `globals` | the names that a pickle may use, and what calling them stands for |
| `advice` | the call that makes an array of a value that is not one |
| `dtypes` | dtypes from their pickled state |
| `joblib_arrays` | arrays as `joblib.dump` writes them |
| `decode` | nodes -> arrays |
| `two_readings` | lists and tuples that hold samples, or could |
| `fields` | the outermost container -> named fields |
| `reader` | all of it together: `find_arrays`, `read_fields`, `read_array` |
"""

from keras_bigdata.shards.pickles.fields import PickleContents, StoredVarlen
from keras_bigdata.shards.pickles.reader import (
    find_arrays,
    read_array,
    read_columns,
    read_fields,
    read_remote_arrays,
    read_varlen,
)
from keras_bigdata.shards.pickles.source import StoredArray

__all__ = [
    "PickleContents",
    "StoredArray",
    "StoredVarlen",
    "find_arrays",
    "read_array",
    "read_columns",
    "read_fields",
    "read_remote_arrays",
    "read_varlen",
]

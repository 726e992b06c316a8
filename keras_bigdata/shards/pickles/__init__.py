"""Where arrays lie inside a pickle, found without running it.

stored      bytes of the file: bounded reads, arrays that lie raw
compressed  bytes of a compressed file
opening     the one or the other
literals    numbers and strings of text opcodes
machine     the stack, marks and memo
opcodes     what each opcode does to them
nodes       what stands on the stack: symbols, never objects
joblib_arrays  arrays as joblib.dump writes them
rebuild     the few names that may be called, and what they mean
dtypes      dtypes from their pickled state
payloads    bytes of arrays that were written as text
decode      symbols -> arrays
fields      the outermost container -> named fields
walker      all of it together
"""

from keras_bigdata.shards.pickles.compression import read_array
from keras_bigdata.shards.pickles.fields import PickleContents
from keras_bigdata.shards.pickles.reader import read_columns, read_fields, walk
from keras_bigdata.shards.pickles.source import StoredArray

__all__ = ["PickleContents", "StoredArray", "read_array", "read_columns", "read_fields", "walk"]

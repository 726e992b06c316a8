"""Where arrays lie inside a pickle, found without running it.

stored      bytes of the file: bounded reads, arrays that lie raw
literals    numbers and strings of text opcodes
machine     the stack, marks and memo
opcodes     what each opcode does to them
nodes       what stands on the stack: symbols, never objects
rebuild     the few names that may be called, and what they mean
dtypes      dtypes from their pickled state
payloads    bytes of arrays that were written as text
decode      symbols -> arrays
fields      the outermost container -> named fields
walker      all of it together
"""

from keras_bigdata.shards.pickles.stored import StoredArray, read_array
from keras_bigdata.shards.pickles.walker import PickleContents, walk

__all__ = ["PickleContents", "StoredArray", "read_array", "walk"]

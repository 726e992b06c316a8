"""Whether two calls of `pack` write the same bytes.

file_changes           sizes and times of the files of a source, recorded and compared
function_source        the source text of a function, reduced to what determines its behavior
function_fingerprint   a function as JSON: its source text and the values that it holds
release_0_1            how release 0.1 recorded functions
fingerprint            the identity of a pack
"""

"""Whether two calls of `pack` write the same bytes.

fingerprint            the identity of a pack
function_fingerprint   the part of a function in it (function_source: its source text)
file_changes           sizes and times of the files of a source
release_0_1            how release 0.1 recorded functions
"""

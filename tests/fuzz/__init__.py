"""Hostile pickles and indexes without end.

corpus      whole files of many kinds, cut at their opcodes
mutate      what damages them
grammar     pickles put together from nothing
indexes     hostile index.json
check       what must hold for one file
oracle      what pickle itself makes of a file that was accepted
run         many files, in a child with a limit on its memory:
            python -m tests.fuzz.run --seconds 60
"""

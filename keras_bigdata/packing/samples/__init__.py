"""Row of a source -> sample.

stored_form   how a field is stored: as an array, of any length, or encoded
samples       rows as dicts of checked and augmented arrays
warp          the geometric changes of an augmentation
"""

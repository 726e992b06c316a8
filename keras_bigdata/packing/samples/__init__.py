"""Rows of a source as samples.

stored_form   how a field is stored: as an array, of any length, or encoded
samples       reads rows as dicts of arrays, augments and checks them
warp          applies the geometric changes of an augmentation to an image
"""

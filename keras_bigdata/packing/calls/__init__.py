"""A call of `pack`, and whether it is done already.

source_argument   what can be packed, and which function takes the rest
declared_ragged   fields of any length of a custom source
request           the call, checked
pack_records      the packs that wrote a set
pack_call         done, to be continued, appended, or refused
"""

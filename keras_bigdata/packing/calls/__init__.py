"""A call of `pack`, and whether it is done already.

source_argument   accepts the argument `source`, or names what accepts it
request           the arguments that determine the output, checked
pack_records      the packs that wrote a set
pack_call         decides whether a call is done already, may be appended, or is refused
"""

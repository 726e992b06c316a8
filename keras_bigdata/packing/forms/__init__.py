"""How the fields of a pack are stored, and what that costs.

storage_cost    bytes and seconds of the forms of images (disk_rate)
store_choice    the form that `store="auto"` chooses
decided_forms   the forms that were decided when packing began
"""

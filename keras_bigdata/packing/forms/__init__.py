"""How the fields of a pack are stored, and what that costs.

disk_rate       measures how fast a disk reads
storage_cost    measures what the forms of stored images cost
store_choice    chooses the form of `store="auto"`
decided_forms   the forms that are decided when packing begins, and recorded
"""

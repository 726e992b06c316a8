"""What `WeightedValidation` evaluates, and how sets become one result.

validation_data   opens sets in all accepted forms (requested_roles: the roles of their fields)
divided_sets      divides a set among several processes
training_data     compares sets with the data of the training
metric_states     one result over several sets
test_step         whether the results of a custom `test_step` are results over all batches
callback_order    finds callbacks that would read the results too early
"""

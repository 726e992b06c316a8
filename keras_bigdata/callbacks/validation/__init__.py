"""What `WeightedValidation` evaluates, and how sets become one result.

validation_data   sets in all accepted forms (requested_roles: which fields are what)
divided_sets      ... divided among several processes
training_data     what a set must have in common with the data of the training
metric_states     one result over several sets
test_step         whether the results of a custom `test_step` are results over all batches
callback_order    callbacks that would read the results too early
"""

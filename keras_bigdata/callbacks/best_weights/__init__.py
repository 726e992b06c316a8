"""The file of `BestWeightsEarlyStopping`.

best_weights_file   reads and writes the best weights and their score
former_weights      keeps those of an earlier training
"""

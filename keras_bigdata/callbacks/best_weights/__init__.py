"""The file of `BestWeightsEarlyStopping`.

best_weights_file   the best weights and their score
former_weights      those of an earlier training
"""

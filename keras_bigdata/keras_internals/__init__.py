"""Every use of a private name of Keras or TensorFlow, one function or class each.

Each says what it finds, the versions in which it was seen, the upstream issue, and what is lost if
the name disappears. `tests/test_fit_contract.py` fails first if a release changes one of them. No
other file of the package uses a private name of Keras.

fit             what a dataset cannot learn from the calls that `fit` makes
iterator_guard  TensorFlow's iterator of a stopped `fit`
callbacks       what callbacks need of a running `fit`, its model and other callbacks
output_losses   the losses of several outputs, averaged over rows
legacy          what scripts for Keras 1 and 2 used
"""

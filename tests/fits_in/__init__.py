"""Training with other packages, and with what Keras offers beside `fit`."""

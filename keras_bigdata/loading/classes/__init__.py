"""Classes of the targets, and their weights.

class_forms            the classes in an array of targets: class numbers or columns
class_weights          balanced weights
class_sample_weights   the same as sample weights of each batch, per row or per pixel
trained_classes        which classes a model was trained on
"""

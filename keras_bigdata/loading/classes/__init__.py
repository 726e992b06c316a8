"""Classes of the targets: their rows and their weights.

class_forms            the classes in an array of targets: class numbers or columns
read_class_rows        the rows of each class, for batches with all classes drawn evenly
class_weights          balanced weights
class_sample_weights   the same as sample weights of each batch, per row or per pixel
trained_classes        which classes a model was trained on
"""

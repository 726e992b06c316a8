"""The generator methods of Keras 1 and 2.

methods          the three methods (arguments: their old arguments)
batch_stream     any source -> one stream of batches (batch_conversion, batch_arrays, class_weights)
batch_queue      the stream, read ahead (prefetch_iterator) and divided into epochs
source_callbacks callbacks whose methods are the generators
keras_data       the queue as a dataset for `fit`
epoch_control    ends epochs where old Keras did, and validates between them (validation)
callback_lists   lists of callbacks, with the progress bar
resumable_training `fit_generator` with `ResumeTraining`
"""

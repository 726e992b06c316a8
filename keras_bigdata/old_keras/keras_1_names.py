"""The public names of Keras 1.2.2, by module.

A line is `module: names`; continuation lines are indented further. Modules without functions for
scripts (tests, the loops of `fit`, converters of arguments, the Theano and CNTK backends) and names
that begin with an underscore are left out.
"""

from __future__ import annotations

TABLE = """
    keras: backend callbacks constraints datasets engine initializations layers metrics models
        objectives optimizers preprocessing regularizers utils wrappers
    keras.activations: elu get hard_sigmoid linear relu sigmoid softmax softplus softsign tanh
    keras.applications: InceptionV3 ResNet50 VGG16 VGG19 Xception
    keras.applications.imagenet_utils: CLASS_INDEX CLASS_INDEX_PATH _obtain_input_shape
        decode_predictions preprocess_input
    keras.applications.inception_v3: InceptionV3 TF_WEIGHTS_PATH TF_WEIGHTS_PATH_NO_TOP
        TH_WEIGHTS_PATH TH_WEIGHTS_PATH_NO_TOP conv2d_bn preprocess_input
    keras.applications.resnet50: ResNet50 TF_WEIGHTS_PATH TF_WEIGHTS_PATH_NO_TOP TH_WEIGHTS_PATH
        TH_WEIGHTS_PATH_NO_TOP conv_block identity_block
    keras.applications.vgg16: TF_WEIGHTS_PATH TF_WEIGHTS_PATH_NO_TOP TH_WEIGHTS_PATH
        TH_WEIGHTS_PATH_NO_TOP VGG16
    keras.applications.vgg19: TF_WEIGHTS_PATH TF_WEIGHTS_PATH_NO_TOP TH_WEIGHTS_PATH
        TH_WEIGHTS_PATH_NO_TOP VGG19
    keras.applications.xception: TF_WEIGHTS_PATH TF_WEIGHTS_PATH_NO_TOP Xception
        preprocess_input
    keras.backend: Function abs all any arange argmax argmin asymmetric_spatial_2d_padding
        asymmetric_temporal_padding atrous_conv2d backend batch_dot batch_flatten
        batch_get_value batch_normalization batch_set_value binary_crossentropy cast
        cast_to_floatx categorical_crossentropy clear_session clip concatenate conv1d conv2d
        conv3d cos count_params ctc_batch_cost ctc_decode ctc_label_dense_to_sparse deconv2d dot
        dropout dtype elu epsilon equal eval exp expand_dims eye flatten floatx foldl foldr
        function gather get_session get_uid get_value get_variable_shape gradients greater
        greater_equal hard_sigmoid image_dim_ordering in_test_phase in_top_k in_train_phase
        int_shape is_keras_tensor is_sparse l2_normalize learning_phase legacy_weight_ordering
        lesser lesser_equal log manual_variable_initialization map_fn max maximum mean min
        minimum moving_average_update ndim normalize_batch_in_training not_equal one_hot ones
        ones_like permute_dimensions placeholder pool2d pool3d pow print_tensor prod
        random_binomial random_normal random_normal_variable random_uniform
        random_uniform_variable relu repeat repeat_elements reshape resize_images resize_volumes
        reverse rnn round separable_conv2d set_epsilon set_floatx set_image_dim_ordering
        set_learning_phase set_legacy_weight_ordering set_session set_value shape sigmoid sign
        sin softmax softplus softsign sparse_categorical_crossentropy spatial_2d_padding
        spatial_3d_padding sqrt square squeeze stack std stop_gradient sum switch tanh
        temporal_padding tile to_dense transpose update
        update_add update_sub var variable zeros zeros_like
    keras.backend.common: cast_to_floatx epsilon floatx get_uid image_dim_ordering
        is_keras_tensor legacy_weight_ordering reset_uids set_epsilon set_floatx
        set_image_dim_ordering set_legacy_weight_ordering
    keras.backend.tensorflow_backend: Function abs all any arange argmax argmin
        asymmetric_spatial_2d_padding asymmetric_temporal_padding atrous_conv2d batch_dot
        batch_flatten batch_get_value batch_normalization batch_set_value binary_crossentropy
        cast categorical_crossentropy clear_session clip concatenate conv1d conv2d conv3d cos
        count_params ctc_batch_cost ctc_decode ctc_label_dense_to_sparse deconv2d dot dropout
        dtype elu equal eval exp expand_dims eye flatten foldl foldr function gather get_session
        get_value get_variable_shape gradients greater greater_equal hard_sigmoid in_test_phase
        in_top_k in_train_phase int_shape is_sparse l2_normalize learning_phase lesser
        lesser_equal log manual_variable_initialization map_fn max maximum mean min minimum
        moving_average_update ndim normalize_batch_in_training not_equal one_hot ones ones_like
        permute_dimensions placeholder pool2d pool3d pow print_tensor prod
        random_binomial random_normal random_normal_variable random_uniform
        random_uniform_variable relu repeat repeat_elements reshape resize_images resize_volumes
        reverse rnn round separable_conv2d set_learning_phase set_session set_value shape
        sigmoid sign sin softmax softplus softsign sparse_categorical_crossentropy
        spatial_2d_padding spatial_3d_padding sqrt square squeeze stack std stop_gradient sum
        switch tanh temporal_padding tile to_dense transpose
        update update_add update_sub var variable zeros zeros_like
    keras.callbacks: BaseLogger CSVLogger Callback CallbackList EarlyStopping History
        LambdaCallback LearningRateScheduler ModelCheckpoint ProgbarLogger ReduceLROnPlateau
        RemoteMonitor TensorBoard
    keras.constraints: Constraint MaxNorm MinMaxNorm NonNeg UnitNorm get maxnorm nonneg unitnorm
    keras.datasets:
    keras.datasets.cifar: load_batch
    keras.datasets.cifar10: load_data
    keras.datasets.cifar100: load_data
    keras.datasets.imdb: get_word_index load_data
    keras.datasets.mnist: load_data
    keras.datasets.reuters: get_word_index load_data
    keras.engine: Input InputLayer InputSpec Layer Merge Model get_source_inputs merge
    keras.engine.topology: Container Input InputLayer InputSpec K Layer Merge Node
        ask_to_proceed_with_overwrite func_dump func_load get_source_inputs initializations
        merge to_list zip
    keras.engine.training: Container GeneratorEnqueuer K Model Progbar batch_shuffle cbks
        check_array_lengths check_loss_and_target_compatibility collect_metrics make_batches
        metrics_module objectives optimizers slice_X standardize_class_weights
        standardize_input_data standardize_sample_or_class_weights standardize_sample_weights
        standardize_weights weighted_objective
    keras.initializations: get get_fans glorot_normal glorot_uniform he_normal he_uniform
        identity lecun_uniform normal one orthogonal uniform zero
    keras.layers: Activation ActivityRegularization AtrousConv1D AtrousConv2D
        AtrousConvolution1D AtrousConvolution2D AveragePooling1D AveragePooling2D
        AveragePooling3D BatchNormalization Bidirectional Conv1D Conv2D Conv3D ConvLSTM2D
        ConvRecurrent2D Convolution1D Convolution2D Convolution3D Cropping1D Cropping2D
        Cropping3D Deconv2D Deconvolution2D Dense Dropout ELU Embedding Flatten GRU
        GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D
        GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D Highway
        Input InputLayer InputSpec LSTM Lambda Layer LeakyReLU LocallyConnected1D
        LocallyConnected2D Masking MaxPooling1D MaxPooling2D MaxPooling3D MaxoutDense Merge
        PReLU ParametricSoftplus Permute Recurrent RepeatVector Reshape SReLU SeparableConv2D
        SeparableConvolution2D SimpleRNN SpatialDropout1D SpatialDropout2D SpatialDropout3D
        ThresholdedReLU TimeDistributed TimeDistributedDense UpSampling1D UpSampling2D
        UpSampling3D Wrapper ZeroPadding1D ZeroPadding2D ZeroPadding3D merge
        time_distributed_dense
    keras.layers.advanced_activations: ELU LeakyReLU PReLU ParametricSoftplus SReLU
        ThresholdedReLU
    keras.layers.convolutional: AtrousConv1D AtrousConv2D AtrousConvolution1D
        AtrousConvolution2D Conv1D Conv2D Conv3D Convolution1D Convolution2D Convolution3D
        Cropping1D Cropping2D Cropping3D Deconv2D Deconvolution2D SeparableConv2D
        SeparableConvolution2D UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D
        ZeroPadding2D ZeroPadding3D
    keras.layers.convolutional_recurrent: ConvLSTM2D ConvRecurrent2D
    keras.layers.core: Activation ActivityRegularization Dense Dropout Flatten Highway Lambda
        Masking MaxoutDense Permute RepeatVector Reshape SpatialDropout1D SpatialDropout2D
        SpatialDropout3D TimeDistributedDense
    keras.layers.embeddings: Embedding
    keras.layers.local: LocallyConnected1D LocallyConnected2D
    keras.layers.noise: GaussianDropout GaussianNoise
    keras.layers.normalization: BatchNormalization
    keras.layers.pooling: AveragePooling1D AveragePooling2D AveragePooling3D
        GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D GlobalMaxPooling1D
        GlobalMaxPooling2D GlobalMaxPooling3D MaxPooling1D MaxPooling2D MaxPooling3D
    keras.layers.recurrent: GRU LSTM Recurrent SimpleRNN time_distributed_dense
    keras.layers.wrappers: Bidirectional TimeDistributed Wrapper
    keras.metrics: MAE MAPE MSE MSLE binary_accuracy binary_crossentropy categorical_accuracy
        categorical_crossentropy cosine cosine_proximity f1score fbeta_score fmeasure fscore get
        hinge kullback_leibler_divergence mae mape matthews_correlation mean_absolute_error
        mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error mse
        msle poisson precision recall sparse_categorical_accuracy
        sparse_categorical_crossentropy squared_hinge top_k_categorical_accuracy
    keras.models: K Layer Merge Model Node Sequential ask_to_proceed_with_overwrite
        get_source_inputs load_model model_from_config model_from_json model_from_yaml
        optimizer_from_config optimizers save_model
    keras.objectives: KLD MAE MAPE MSE MSLE binary_crossentropy categorical_crossentropy cosine
        cosine_proximity get hinge kld kullback_leibler_divergence mae mape mean_absolute_error
        mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error mse
        msle poisson sparse_categorical_crossentropy squared_hinge
    keras.optimizers: Adadelta Adagrad Adam Adamax Nadam Optimizer RMSprop SGD TFOptimizer
        adadelta adagrad adam adamax clip_norm get nadam optimizer_from_config rmsprop sgd
    keras.preprocessing:
    keras.preprocessing.image: DirectoryIterator ImageDataGenerator Iterator NumpyArrayIterator
        apply_transform array_to_img flip_axis img_to_array list_pictures load_img
        random_channel_shift random_rotation random_shear random_shift random_zoom
        transform_matrix_offset_center
    keras.preprocessing.sequence: make_sampling_table pad_sequences skipgrams
    keras.preprocessing.text: Tokenizer maketrans one_hot text_to_word_sequence
    keras.regularizers: ActivityRegularizer EigenvalueRegularizer L1L2Regularizer Regularizer
        WeightRegularizer activity_l1 activity_l1l2 activity_l2 get l1 l1l2 l2
    keras.utils:
    keras.utils.data_utils: get_file
    keras.utils.generic_utils: CustomObjectScope Progbar custom_object_scope func_dump func_load
        get_custom_objects get_from_module make_tuple
    keras.utils.io_utils: HDF5Matrix ask_to_proceed_with_overwrite load_array save_array
        tables
    keras.utils.layer_utils: Activation ActivityRegularization AtrousConv1D AtrousConv2D
        AtrousConvolution1D AtrousConvolution2D AveragePooling1D AveragePooling2D
        AveragePooling3D BatchNormalization Bidirectional Conv1D Conv2D Conv3D ConvLSTM2D
        ConvRecurrent2D Convolution1D Convolution2D Convolution3D Cropping1D Cropping2D
        Cropping3D Deconv2D Deconvolution2D Dense Dropout ELU Embedding Flatten GRU
        GaussianDropout GaussianNoise GlobalAveragePooling1D GlobalAveragePooling2D
        GlobalAveragePooling3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D Highway
        Input InputLayer InputSpec LSTM Lambda Layer LeakyReLU LocallyConnected1D
        LocallyConnected2D Masking MaxPooling1D MaxPooling2D MaxPooling3D MaxoutDense Merge
        PReLU ParametricSoftplus Permute Recurrent RepeatVector Reshape SReLU SeparableConv2D
        SeparableConvolution2D SimpleRNN SpatialDropout1D SpatialDropout2D SpatialDropout3D
        ThresholdedReLU TimeDistributed TimeDistributedDense UpSampling1D UpSampling2D
        UpSampling3D Wrapper ZeroPadding1D ZeroPadding2D ZeroPadding3D
        convert_all_kernels_in_model count_total_params layer_from_config merge print_summary
        time_distributed_dense
    keras.utils.np_utils: accuracy binary_logloss categorical_probas_to_classes
        conv_input_length conv_output_length convert_kernel multiclass_logloss normalize
        probas_to_classes to_categorical
    keras.utils.visualize_util: model_to_dot plot
    keras.wrappers:
    keras.wrappers.scikit_learn: BaseWrapper KerasClassifier KerasRegressor
"""

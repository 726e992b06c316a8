"""The public names of Keras 2.2.4, by module.

A line is `module: names`; continuation lines are indented further. Modules without functions for
scripts (tests, the loops of `fit`, converters of arguments, the Theano and CNTK backends) and names
that begin with an underscore are left out.
"""

from __future__ import annotations

TABLE = """
    keras: Input Model Sequential activations applications backend callbacks constraints
        datasets engine initializers layers losses metrics models optimizers preprocessing
        regularizers utils wrappers
    keras.activations: deserialize elu exponential get hard_sigmoid linear relu selu serialize
        sigmoid softmax softplus softsign tanh
    keras.applications: DenseNet121 DenseNet169 DenseNet201 InceptionResNetV2 InceptionV3
        MobileNet MobileNetV2 NASNetLarge NASNetMobile ResNet50 VGG16 VGG19 Xception backend
        layers models utils
    keras.applications.densenet: DenseNet121 DenseNet169 DenseNet201 decode_predictions
        preprocess_input
    keras.applications.imagenet_utils: _obtain_input_shape decode_predictions preprocess_input
    keras.applications.inception_resnet_v2: InceptionResNetV2 decode_predictions
        preprocess_input
    keras.applications.inception_v3: InceptionV3 decode_predictions preprocess_input
    keras.applications.mobilenet: MobileNet decode_predictions preprocess_input
    keras.applications.mobilenet_v2: MobileNetV2 decode_predictions preprocess_input
    keras.applications.mobilenetv2: MobileNetV2 decode_predictions preprocess_input
    keras.applications.nasnet: NASNetLarge NASNetMobile decode_predictions preprocess_input
    keras.applications.resnet50: ResNet50 decode_predictions preprocess_input
    keras.applications.vgg16: VGG16 decode_predictions preprocess_input
    keras.applications.vgg19: VGG19 decode_predictions preprocess_input
    keras.applications.xception: Xception decode_predictions preprocess_input
    keras.backend: Function abs all any arange argmax argmin backend batch_dot
        batch_flatten batch_get_value batch_normalization batch_set_value bias_add
        binary_crossentropy cast cast_to_floatx categorical_crossentropy clear_session clip
        concatenate constant conv1d conv2d conv2d_transpose conv3d conv3d_transpose cos
        count_params ctc_batch_cost ctc_decode ctc_label_dense_to_sparse cumprod cumsum
        depthwise_conv2d dot dropout dtype elu epsilon equal eval exp expand_dims eye
        flatten floatx foldl foldr function gather get_session get_uid get_value
        get_variable_shape gradients greater greater_equal hard_sigmoid identity
        image_data_format in_test_phase in_top_k in_train_phase int_shape is_keras_tensor
        is_placeholder is_sparse is_tensor l2_normalize learning_phase less less_equal
        local_conv1d local_conv2d log logsumexp manual_variable_initialization map_fn max
        maximum mean min minimum moving_average_update name_scope ndim
        normalize_batch_in_training normalize_data_format not_equal one_hot ones ones_like
        permute_dimensions placeholder pool2d pool3d pow print_tensor prod
        random_binomial random_normal random_normal_variable random_uniform
        random_uniform_variable relu repeat repeat_elements reset_uids reshape
        resize_images resize_volumes reverse rnn round separable_conv1d separable_conv2d
        set_epsilon set_floatx set_image_data_format set_learning_phase set_session set_value
        shape sigmoid sign sin slice softmax softplus softsign sparse_categorical_crossentropy
        spatial_2d_padding spatial_3d_padding sqrt square squeeze stack std stop_gradient sum
        switch tanh temporal_padding tile to_dense transpose truncated_normal update update_add
        update_sub var variable zeros zeros_like
    keras.backend.common: cast_to_floatx epsilon floatx image_data_format image_dim_ordering
        normalize_data_format set_epsilon set_floatx set_image_data_format
        set_image_dim_ordering
    keras.backend.tensorflow_backend: Function abs all any arange argmax argmin batch_dot
        batch_flatten batch_get_value batch_normalization batch_set_value bias_add
        binary_crossentropy cast categorical_crossentropy clear_session clip concatenate
        constant conv1d conv2d conv2d_transpose conv3d conv3d_transpose cos count_params
        ctc_batch_cost ctc_decode ctc_label_dense_to_sparse cumprod cumsum depthwise_conv2d dot
        dropout dtype elu equal eval exp expand_dims eye flatten foldl foldr function gather
        get_session get_uid get_value get_variable_shape gradients greater greater_equal
        hard_sigmoid identity in_test_phase in_top_k in_train_phase int_shape is_keras_tensor
        is_placeholder is_sparse is_tensor l2_normalize learning_phase less less_equal
        local_conv1d local_conv2d log logsumexp manual_variable_initialization map_fn max
        maximum mean min minimum moving_average_update name_scope ndim
        normalize_batch_in_training not_equal one_hot ones ones_like permute_dimensions
        placeholder pool2d pool3d pow print_tensor prod
        random_binomial random_normal random_normal_variable random_uniform
        random_uniform_variable relu repeat repeat_elements reset_uids reshape resize_images
        resize_volumes reverse rnn round separable_conv1d separable_conv2d set_learning_phase
        set_session set_value shape sigmoid sign sin slice softmax softplus softsign
        sparse_categorical_crossentropy spatial_2d_padding spatial_3d_padding sqrt square
        squeeze stack std stop_gradient sum switch tanh temporal_padding tile to_dense transpose
        truncated_normal update update_add update_sub var variable zeros zeros_like
    keras.callbacks: BaseLogger CSVLogger Callback CallbackList EarlyStopping History
        LambdaCallback LearningRateScheduler ModelCheckpoint ProgbarLogger ReduceLROnPlateau
        RemoteMonitor TensorBoard TerminateOnNaN
    keras.constraints: Constraint MaxNorm MinMaxNorm NonNeg UnitNorm deserialize get max_norm
        maxnorm min_max_norm non_neg nonneg serialize unit_norm unitnorm
    keras.datasets: boston_housing cifar10 cifar100 fashion_mnist imdb mnist reuters
    keras.datasets.boston_housing: load_data
    keras.datasets.cifar: load_batch
    keras.datasets.cifar10: load_data
    keras.datasets.cifar100: load_data
    keras.datasets.fashion_mnist: load_data
    keras.datasets.imdb: get_word_index load_data
    keras.datasets.mnist: load_data
    keras.datasets.reuters: get_word_index load_data
    keras.engine: Input InputLayer InputSpec Layer Model get_source_inputs
    keras.engine.base_layer: InputSpec Layer Node
    keras.engine.input_layer: Input InputLayer
    keras.engine.network: Network
    keras.engine.saving: HDF5_OBJECT_HEADER_LIMIT load_attributes_from_hdf5_group
        load_model load_weights_from_hdf5_group load_weights_from_hdf5_group_by_name
        model_from_config model_from_json model_from_yaml pickle_model
        preprocess_weights_for_loading save_attributes_to_hdf5_group save_model
        save_weights_to_hdf5_group unpickle_model
    keras.engine.sequential: Sequential
    keras.engine.topology: Input InputLayer InputSpec Layer Network Node get_source_inputs
    keras.engine.training: K Layer Model Network check_array_length_consistency
        check_loss_and_target_compatibility collect_metrics interfaces losses metrics_module
        optimizers slice_arrays standardize_class_weights standardize_input_data
        standardize_sample_weights standardize_weights to_list training_arrays
        training_generator unpack_singleton weighted_masked_objective
    keras.initializers: Constant Identity Initializer Ones Orthogonal RandomNormal RandomUniform
        TruncatedNormal VarianceScaling Zeros constant deserialize get glorot_normal
        glorot_uniform he_normal he_uniform identity lecun_normal lecun_uniform normal one ones
        orthogonal random_normal random_uniform serialize truncated_normal uniform zero zeros
    keras.layers: Activation ActivityRegularization Add AlphaDropout AtrousConv1D AtrousConv2D
        AtrousConvolution1D AtrousConvolution2D Average AveragePooling1D AveragePooling2D
        AveragePooling3D AvgPool1D AvgPool2D AvgPool3D BatchNormalization Bidirectional
        Concatenate Conv1D Conv2D Conv2DTranspose Conv3D Conv3DTranspose ConvLSTM2D
        ConvLSTM2DCell ConvRNN2D ConvRecurrent2D Convolution1D Convolution2D
        Convolution2DTranspose Convolution3D Cropping1D Cropping2D Cropping3D CuDNNGRU CuDNNLSTM
        Deconv2D Deconv3D Deconvolution2D Deconvolution3D Dense DepthwiseConv2D Dot Dropout ELU
        Embedding Flatten GRU GRUCell GaussianDropout GaussianNoise GlobalAveragePooling1D
        GlobalAveragePooling2D GlobalAveragePooling3D GlobalAvgPool1D GlobalAvgPool2D
        GlobalAvgPool3D GlobalMaxPool1D GlobalMaxPool2D GlobalMaxPool3D GlobalMaxPooling1D
        GlobalMaxPooling2D GlobalMaxPooling3D Highway Input InputLayer InputSpec LSTM LSTMCell
        Lambda Layer LeakyReLU LocallyConnected1D LocallyConnected2D Masking MaxPool1D MaxPool2D
        MaxPool3D MaxPooling1D MaxPooling2D MaxPooling3D Maximum MaxoutDense Minimum Multiply
        PReLU Permute RNN ReLU Recurrent RepeatVector Reshape SeparableConv1D SeparableConv2D
        SeparableConvolution1D SeparableConvolution2D SimpleRNN SimpleRNNCell Softmax
        SpatialDropout1D SpatialDropout2D SpatialDropout3D StackedRNNCells Subtract
        ThresholdedReLU TimeDistributed UpSampling1D UpSampling2D UpSampling3D Wrapper
        ZeroPadding1D ZeroPadding2D ZeroPadding3D add average concatenate deserialize
        deserialize_keras_object dot maximum minimum multiply serialize subtract
    keras.layers.advanced_activations: ELU LeakyReLU PReLU ReLU Softmax ThresholdedReLU
    keras.layers.convolutional: AtrousConv1D AtrousConv2D Conv1D Conv2D Conv2DTranspose Conv3D
        Conv3DTranspose Convolution1D Convolution2D Convolution2DTranspose Convolution3D
        Cropping1D Cropping2D Cropping3D Deconv2D Deconv3D Deconvolution2D Deconvolution3D
        DepthwiseConv2D SeparableConv1D SeparableConv2D SeparableConvolution1D
        SeparableConvolution2D UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D
        ZeroPadding2D ZeroPadding3D
    keras.layers.convolutional_recurrent: ConvLSTM2D ConvLSTM2DCell ConvRNN2D
    keras.layers.core: Activation ActivityRegularization Dense Dropout Flatten Lambda Masking
        Permute RepeatVector Reshape SpatialDropout1D SpatialDropout2D SpatialDropout3D
    keras.layers.cudnn_recurrent: CuDNNGRU CuDNNLSTM
    keras.layers.embeddings: Embedding
    keras.layers.local: LocallyConnected1D LocallyConnected2D
    keras.layers.merge: Add Average Concatenate Dot Maximum Minimum Multiply Subtract add
        average concatenate dot maximum minimum multiply subtract
    keras.layers.noise: AlphaDropout GaussianDropout GaussianNoise
    keras.layers.normalization: BatchNormalization
    keras.layers.pooling: AveragePooling1D AveragePooling2D AveragePooling3D AvgPool1D AvgPool2D
        AvgPool3D GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D
        GlobalAvgPool1D GlobalAvgPool2D GlobalAvgPool3D GlobalMaxPool1D GlobalMaxPool2D
        GlobalMaxPool3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D MaxPool1D
        MaxPool2D MaxPool3D MaxPooling1D MaxPooling2D MaxPooling3D
    keras.layers.recurrent: GRU GRUCell LSTM LSTMCell RNN SimpleRNN SimpleRNNCell
        StackedRNNCells
    keras.layers.wrappers: Bidirectional TimeDistributed Wrapper
    keras.legacy:
    keras.legacy.layers: AtrousConvolution1D AtrousConvolution2D ConvRecurrent2D Highway
        MaxoutDense Recurrent
    keras.losses: KLD MAE MAPE MSE MSLE binary_crossentropy categorical_crossentropy
        categorical_hinge cosine cosine_proximity deserialize get hinge kld
        kullback_leibler_divergence logcosh mae mape mean_absolute_error
        mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error mse
        msle poisson serialize sparse_categorical_crossentropy squared_hinge
    keras.metrics: MAE MAPE MSE MSLE binary_accuracy categorical_accuracy cosine deserialize get
        mae mape mse msle serialize sparse_categorical_accuracy
        sparse_top_k_categorical_accuracy top_k_categorical_accuracy
    keras.models: Input InputLayer K Model Sequential clone_model has_arg load_model
        model_from_config model_from_json model_from_yaml save_model to_list
    keras.objectives: KLD MAE MAPE MSE MSLE binary_crossentropy categorical_crossentropy
        categorical_hinge cosine cosine_proximity deserialize get hinge kld
        kullback_leibler_divergence logcosh mae mape mean_absolute_error
        mean_absolute_percentage_error mean_squared_error mean_squared_logarithmic_error mse
        msle poisson serialize sparse_categorical_crossentropy squared_hinge
    keras.optimizers: Adadelta Adagrad Adam Adamax Nadam Optimizer RMSprop SGD TFOptimizer
        adadelta adagrad adam adamax clip_norm deserialize get nadam rmsprop serialize sgd
    keras.preprocessing: backend image sequence text utils
    keras.preprocessing.image: DirectoryIterator ImageDataGenerator Iterator NumpyArrayIterator
        apply_affine_transform apply_brightness_shift apply_channel_shift array_to_img
        img_to_array load_img random_brightness random_channel_shift random_rotation
        random_shear random_shift random_zoom save_img
    keras.preprocessing.sequence: TimeseriesGenerator make_sampling_table pad_sequences
        skipgrams
    keras.preprocessing.text: Tokenizer hashing_trick one_hot text_to_word_sequence
    keras.regularizers: L1L2 Regularizer deserialize get l1 l1_l2 l2 serialize
    keras.utils: CustomObjectScope GeneratorEnqueuer HDF5Matrix OrderedEnqueuer Progbar Sequence
        conv_utils convert_all_kernels_in_model custom_object_scope data_utils
        deserialize_keras_object generic_utils get_custom_objects get_file get_source_inputs
        h5dict io_utils multi_gpu_model normalize np_utils plot_model print_summary
        serialize_keras_object to_categorical
    keras.utils.conv_utils: conv_input_length conv_output_length convert_kernel deconv_length
        normalize_padding normalize_tuple
    keras.utils.data_utils: GeneratorEnqueuer OrderedEnqueuer Sequence SequenceEnqueuer get_file
        get_index init_pool init_pool_generator next_sample
    keras.utils.generic_utils: CustomObjectScope Progbar custom_object_scope
        deserialize_keras_object func_dump func_load get_custom_objects has_arg is_all_none
        serialize_keras_object slice_arrays to_list transpose_shape
        unpack_singleton
    keras.utils.io_utils: H5Dict HDF5Matrix HDF5_OBJECT_HEADER_LIMIT
        ask_to_proceed_with_overwrite h5dict
    keras.utils.layer_utils: convert_all_kernels_in_model convert_dense_weights_data_format
        count_params get_source_inputs print_summary
    keras.utils.multi_gpu_utils: multi_gpu_model
    keras.utils.np_utils: normalize to_categorical
    keras.utils.vis_utils: model_to_dot plot_model pydot
    keras.wrappers:
    keras.wrappers.scikit_learn: BaseWrapper KerasClassifier KerasRegressor
"""

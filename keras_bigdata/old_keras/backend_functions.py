"""Functions of `keras.backend` in Keras 1 and 2, and what replaces them in Keras 3."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Renamed:
    """A function with another name, whose positional arguments are in the same order.

    Attributes:
        name: the full name in Keras 3.
        parameters: the names of the old parameters that the new function takes too.
        keywords: old names of parameters that have another name now.
    """

    name: str
    parameters: tuple[str, ...]
    keywords: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A call that becomes another expression.

    Attributes:
        parameters: the old parameters; `axis=-1` has a default value.
        expression: the new text. `{x}` is an argument, `ops` is `keras.ops`.
    """

    parameters: tuple[str, ...]
    expression: str


def _split(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What `keras.backend` still has, and what only `tensorflow.keras.backend` has, on TensorFlow.
KEPT = _split("""
    backend clear_session epsilon floatx get_uid image_data_format is_float_dtype is_int_dtype
    is_keras_tensor result_type set_epsilon set_floatx set_image_data_format standardize_dtype
    """)
KEPT_BY_TF_KERAS = _split("""
    abs all any arange argmax argmin batch_dot batch_flatten batch_get_value batch_normalization
    batch_set_value bias_add binary_crossentropy binary_focal_crossentropy cast cast_to_floatx
    categorical_crossentropy categorical_focal_crossentropy clip concatenate constant conv1d
    conv2d conv2d_transpose conv3d cos count_params ctc_batch_cost ctc_decode
    ctc_label_dense_to_sparse cumprod cumsum depthwise_conv2d dot dropout dtype elu equal eval
    exp expand_dims eye flatten foldl foldr gather get_value gradients greater greater_equal
    hard_sigmoid in_top_k int_shape is_sparse l2_normalize less less_equal log map_fn max
    maximum mean min minimum moving_average_update name_scope ndim not_equal one_hot ones
    ones_like permute_dimensions pool2d pool3d pow prod random_bernoulli random_normal
    random_normal_variable random_uniform random_uniform_variable relu repeat repeat_elements
    reshape resize_images resize_volumes reverse rnn round separable_conv2d set_value shape
    sigmoid sign sin softmax softplus softsign sparse_categorical_crossentropy
    spatial_2d_padding spatial_3d_padding sqrt square squeeze stack std stop_gradient sum switch
    tanh temporal_padding tile to_dense transpose truncated_normal update update_add update_sub
    var variable zeros zeros_like
    """)


def _renamed(
    names: str, module: str, parameters: str, **keywords: str
) -> dict[str, Renamed | Rewritten]:
    result: dict[str, Renamed | Rewritten] = {}
    for pair in names.split():
        old, _, new = pair.partition(":")
        result[old] = Renamed(
            f"{module}.{new or old}", tuple(parameters.split()), tuple(keywords.items())
        )
    return result


def _rewritten(table: str) -> dict[str, Renamed | Rewritten]:
    """Parses lines `name(parameters) -> expression`."""
    result: dict[str, Renamed | Rewritten] = {}
    for line in table.strip().splitlines():
        old, _, expression = line.strip().partition(" -> ")
        name, _, parameters = old.removesuffix(")").partition("(")
        result[name] = Rewritten(tuple(p.strip() for p in parameters.split(";")), expression)
    return result


# Calls whose meaning is the same after the change.
REPLACED: dict[str, Renamed | Rewritten] = {
    **_renamed(
        "abs sign square exp log sin cos round sigmoid tanh softplus softsign stop_gradient"
        " transpose relu flatten:ravel",
        "keras.ops",
        "x",
    ),
    **_renamed("sum prod max min mean var std any all logsumexp", "keras.ops", "x axis keepdims"),
    **_renamed("softmax", "keras.ops", "x axis"),
    **_renamed("elu", "keras.ops", "x alpha"),
    **_renamed("squeeze", "keras.ops", "x axis"),
    **_renamed("stack", "keras.ops", "x axis"),
    **_renamed("cast", "keras.ops", "x dtype"),
    **_renamed("dot", "keras.ops", "x y", x="x1", y="x2"),
    **_renamed(
        "maximum minimum equal not_equal greater greater_equal less less_equal"
        " lesser:less lesser_equal:less_equal",
        "keras.ops",
        "x y",
        x="x1",
        y="x2",
    ),
    **_renamed("pow:power", "keras.ops", "x a", x="x1", a="x2"),
    **_renamed("clip", "keras.ops", "x min_value max_value", min_value="x_min", max_value="x_max"),
    **_renamed("reshape", "keras.ops", "x shape", shape="newshape"),
    **_renamed("permute_dimensions:transpose", "keras.ops", "x pattern", pattern="axes"),
    **_renamed("tile", "keras.ops", "x n", n="repeats"),
    **_renamed("one_hot", "keras.ops", "indices num_classes", indices="x"),
    **_renamed("zeros_like ones_like", "keras.ops", "x dtype"),
    **_renamed(
        "binary_crossentropy categorical_crossentropy sparse_categorical_crossentropy",
        "keras.ops",
        "target output from_logits",
    ),
    **_renamed(
        "random_normal:normal truncated_normal:truncated_normal",
        "keras.random",
        "shape mean stddev dtype",
    ),
    **_renamed("random_uniform:uniform", "keras.random", "shape minval maxval dtype"),
    **_renamed("dropout", "keras.random", "x level noise_shape", x="inputs", level="rate"),
    **_rewritten("""
        argmax(x; axis=-1) -> ops.argmax({x}, axis={axis})
        argmin(x; axis=-1) -> ops.argmin({x}, axis={axis})
        arange(start; stop=None; step=1; dtype="int32") -> \
ops.arange({start}, {stop}, {step}, dtype={dtype})
        concatenate(tensors; axis=-1) -> ops.concatenate({tensors}, axis={axis})
        cumsum(x; axis=0) -> ops.cumsum({x}, axis={axis})
        cumprod(x; axis=0) -> ops.cumprod({x}, axis={axis})
        expand_dims(x; axis=-1) -> ops.expand_dims({x}, axis={axis})
        gather(reference; indices) -> ops.take({reference}, {indices}, axis=0)
        in_top_k(predictions; targets; k) -> ops.in_top_k({targets}, {predictions}, {k})
        repeat(x; n) -> ops.repeat(ops.expand_dims({x}, 1), {n}, axis=1)
        repeat_elements(x; rep; axis) -> ops.repeat({x}, {rep}, axis={axis})
        reverse(x; axes) -> ops.flip({x}, axis={axes})
        sqrt(x) -> ops.sqrt(ops.maximum({x}, 0))
        hard_sigmoid(x) -> ops.clip(0.2 * {x} + 0.5, 0.0, 1.0)
        get_value(x) -> ops.convert_to_numpy({x})[()]
        eval(x) -> ops.convert_to_numpy({x})[()]
        set_value(x; value) -> {x}.assign({value})
        update(x; new_x) -> {x}.assign({new_x})
        update_add(x; increment) -> {x}.assign_add({increment})
        update_sub(x; decrement) -> {x}.assign_sub({decrement})
        int_shape(x) -> tuple({x}.shape)
        ndim(x) -> len({x}.shape)
        dtype(x) -> keras.backend.standardize_dtype({x}.dtype)
        """),
}

# Advice on the other functions. It follows the name of the function in a message.
_PADDING = "was removed: write keras.ops.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)))."
_POOL = (
    "was removed: write keras.ops.max_pool(x, pool_size, strides, padding) or, for "
    'pool_mode="avg", '
    "keras.ops.average_pool. Pass strides: they were 1 by default, and are pool_size now."
)
_SESSION = "was removed, as sessions were: remove it, and use tf.config for what it configured."
_CONVOLUTION = (
    "was removed: write keras.ops.conv(x, kernel, strides, padding, data_format, dilation_rate)."
)
_FOLD = "was removed: write keras.ops.scan, or a Python loop over keras.ops.unstack(x)."
_PHASE = (
    "was removed: give the layer's call an argument `training`. For layers that must stay in "
    "inference mode in fit, set layer.trainable = False (BatchNormalization)."
)

REMOVED: dict[str, str] = {
    "Function": "was removed: write keras.Model(inputs, outputs).",
    "asymmetric_spatial_2d_padding": _PADDING,
    "asymmetric_temporal_padding": (
        "was removed: write keras.ops.pad(x, ((0, 0), (left, right), (0, 0)))."
    ),
    "atrous_conv2d": _CONVOLUTION,
    "batch_dot": (
        "was removed: write keras.ops.einsum, such as "
        'keras.ops.einsum("bij,bjk->bik", x, y), or the layer keras.layers.Dot(axes).'
    ),
    "batch_flatten": "was removed: write keras.ops.reshape(x, (keras.ops.shape(x)[0], -1)).",
    "batch_get_value": "was removed: write [keras.ops.convert_to_numpy(x) for x in variables].",
    "batch_set_value": "was removed: write variable.assign(value) for each pair.",
    "batch_normalization": (
        "moved: write keras.ops.batch_normalization(x, mean, var, axis=-1, offset=beta, "
        "scale=gamma, epsilon=1e-3)."
    ),
    "bias_add": "was removed: write x + bias (channels last).",
    "cast_to_floatx": "was removed: write keras.ops.cast(x, keras.backend.floatx()).",
    "constant": (
        "was removed: write keras.ops.convert_to_tensor(value, dtype=keras.backend.floatx())."
    ),
    "control_flow_ops": "was removed: write keras.ops.cond or keras.ops.where.",
    **dict.fromkeys(("conv1d", "conv2d", "conv3d"), _CONVOLUTION),
    **dict.fromkeys(
        ("conv2d_transpose", "conv3d_transpose", "deconv2d", "deconv3d"),
        "was removed: write keras.ops.conv_transpose(x, kernel, strides, padding), which computes "
        "the output shape itself.",
    ),
    "count_params": "was removed: write math.prod(x.shape).",
    "ctc_batch_cost": (
        "was removed: write keras.ops.ctc_loss(y_true, keras.ops.log(y_pred), label_length, "
        "input_length, mask_index=num_classes - 1), with lengths of shape (batch,); it returned "
        "(batch, 1)."
    ),
    "ctc_decode": (
        'was removed: write keras.ops.ctc_decode(y_pred, input_length, strategy="greedy" or '
        '"beam_search", mask_index=num_classes - 1).'
    ),
    "ctc_label_dense_to_sparse": "was removed: keras.ops.ctc_loss takes dense labels.",
    "depthwise_conv2d": (
        "was removed: write keras.ops.depthwise_conv(x, kernel, strides, padding, data_format, "
        "dilation_rate)."
    ),
    "eye": "was removed: write keras.Variable(keras.ops.eye(size), trainable=False).",
    "foldl": _FOLD,
    "foldr": _FOLD,
    "function": (
        "was removed: write model = keras.Model(inputs, outputs), without the learning phase, and "
        "call model(x, training=False)."
    ),
    "get_session": _SESSION,
    "get_variable_shape": "was removed: write tuple(x.shape).",
    "gradients": (
        "was removed: use the gradients of the backend, such as tf.GradientTape, jax.grad or "
        "torch.autograd.grad."
    ),
    "identity": "was removed: write x itself.",
    "image_dim_ordering": (
        "was removed: use keras.backend.image_data_format(), where 'channels_first' is 'th' and "
        "'channels_last' is 'tf'."
    ),
    "in_test_phase": _PHASE,
    "in_train_phase": _PHASE,
    "is_placeholder": "was removed: compare with model.inputs.",
    "is_sparse": "was removed: Keras 3 has `sparse` of keras.KerasTensor only.",
    "is_tensor": "moved: write keras.ops.is_tensor(x).",
    "l2_normalize": (
        "was removed: write keras.ops.normalize(x, axis=axis, order=2), or "
        "x / keras.ops.norm(x) for all of x."
    ),
    "learning_phase": _PHASE,
    "legacy_weight_ordering": "was removed: remove it.",
    "set_legacy_weight_ordering": "was removed: remove it.",
    "local_conv1d": "was removed: locally connected layers have no equivalent in Keras 3.",
    "local_conv2d": "was removed: locally connected layers have no equivalent in Keras 3.",
    "manual_variable_initialization": "was removed: remove it.",
    "map_fn": "was removed: write keras.ops.map(function, x).",
    "moving_average_update": (
        "was removed: write x.assign(x * momentum + value * (1 - momentum))."
    ),
    "name_scope": "moved: write keras.name_scope(name).",
    "normalize_batch_in_training": (
        "was removed: write keras.ops.moments(x, axes) and keras.ops.batch_normalization."
    ),
    "normalize_data_format": (
        "was removed: write data_format or keras.backend.image_data_format()."
    ),
    "ones": "was removed: write keras.ops.ones(shape), or keras.Variable of it to assign to it.",
    "zeros": "was removed: write keras.ops.zeros(shape), or keras.Variable of it to assign to it.",
    "placeholder": "was removed: write keras.Input(batch_shape=shape).",
    "pool2d": _POOL,
    "pool3d": _POOL,
    "print_tensor": "was removed: write tf.print or jax.debug.print.",
    "random_bernoulli": "was removed: write keras.random.binomial(shape, 1, p).",
    "random_binomial": "was removed: write keras.random.binomial(shape, 1, p).",
    "random_normal_variable": (
        "was removed: write keras.Variable(keras.random.normal(shape, mean, scale))."
    ),
    "random_uniform_variable": (
        "was removed: write keras.Variable(keras.random.uniform(shape, low, high))."
    ),
    "random_normal": (
        "moved: write keras.random.normal. An integer `seed` returns the same numbers at "
        "each call: pass a keras.random.SeedGenerator."
    ),
    "random_uniform": (
        "moved: write keras.random.uniform. An integer `seed` returns the same numbers at "
        "each call: pass a keras.random.SeedGenerator."
    ),
    "truncated_normal": (
        "moved: write keras.random.truncated_normal. An integer `seed` returns the same numbers at "
        "each call: pass a keras.random.SeedGenerator."
    ),
    "dropout": (
        "moved: write keras.random.dropout. An integer `seed` returns the same numbers at "
        "each call: pass a keras.random.SeedGenerator."
    ),
    "relu": (
        "moved: write keras.ops.relu(x), keras.ops.leaky_relu(x, alpha), or, for max_value, "
        "keras.ops.clip(x, 0, max_value)."
    ),
    "reset_uids": "was removed: write keras.utils.clear_session().",
    "resize_images": (
        "was removed: write keras.ops.repeat(keras.ops.repeat(x, height_factor, axis=1), "
        "width_factor, axis=2), or keras.layers.UpSampling2D."
    ),
    "resize_volumes": "was removed: write keras.layers.UpSampling3D.",
    "rnn": "was removed: write a cell for keras.layers.RNN, or keras.ops.scan.",
    "separable_conv1d": ("was removed: write keras.ops.separable_conv with the same arguments."),
    "separable_conv2d": ("was removed: write keras.ops.separable_conv with the same arguments."),
    "set_image_dim_ordering": (
        "was removed: use keras.backend.set_image_data_format, with 'channels_first' for 'th' "
        "and 'channels_last' for 'tf'."
    ),
    "set_learning_phase": _PHASE,
    "set_session": _SESSION,
    "shape": "moved: write keras.ops.shape(x), which is a tuple and not a tensor.",
    "slice": "moved: write keras.ops.slice(x, start, size), where size has no -1.",
    "spatial_2d_padding": _PADDING,
    "spatial_3d_padding": (
        "was removed: write keras.ops.pad(x, ((0, 0), (1, 1), (1, 1), (1, 1), (0, 0)))."
    ),
    "switch": (
        "was removed: write keras.ops.where(condition, x, y), or keras.ops.cond(condition, f, g) "
        "for functions."
    ),
    "temporal_padding": "was removed: write keras.ops.pad(x, ((0, 0), padding, (0, 0))).",
    "tf": "was removed: write import tensorflow as tf.",
    "to_dense": "was removed: Keras 3 has dense tensors here.",
    "variable": (
        "was removed: write keras.Variable(value, dtype=keras.backend.floatx(), trainable=False)."
    ),
}


def advice(name: str) -> str:
    """Returns what to write instead of a function, for a message that begins with its name.

    Returns `""` if the function is unknown.
    """
    if name in REMOVED:
        return REMOVED[name]
    replaced = REPLACED.get(name)
    if isinstance(replaced, Renamed):
        keywords = ", ".join(f"{old} is {new}" for old, new in replaced.keywords)
        return f"moved: write {replaced.name}" + (f" (by name, {keywords})." if keywords else ".")
    if replaced is not None:
        old = ", ".join(replaced.parameters)
        return f"was removed: for {name}({old}) write {readable(replaced)}."
    return ""


def readable(rewritten: Rewritten) -> str:
    """Returns the new expression with full names and the names of the old parameters."""
    text = rewritten.expression.replace("ops.", "keras.ops.")
    for parameter in rewritten.parameters:
        name = parameter.partition("=")[0]
        text = text.replace("{" + name + "}", name)
    return text

"""`keras.backend` after `install()`: old figures, on every backend and for symbolic tensors."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from keras_bigdata.legacy.backend import installation
from keras_bigdata.legacy.stand_ins import is_explaining
from keras_bigdata.old_keras.public_names import all_names

X = np.array([[-1.5, 0.0, 0.5], [2.5, -0.5, 4.0]], "float32")
Y = np.array([[0.5, 1.0, 0.5], [2.0, -2.0, 3.0]], "float32")
P = np.array([[0.1, 0.7, 0.2], [0.3, 0.3, 0.4]], "float32")
HOT = np.array([[0, 1, 0], [1, 0, 0]], "float32")
IMAGES = np.arange(32, dtype="float32").reshape(1, 4, 4, 2)
STEPS = np.arange(12, dtype="float32").reshape(1, 6, 2)

# Old results, from the sources of Keras 2.2.4: function, arguments, and the value or its shape.
VALUES = [
    ("abs", (X,), np.abs(X)),
    ("sqrt", (X,), np.sqrt(np.maximum(X, 0))),  # 0 for negative numbers
    ("round", (X,), [[-2, 0, 0], [2, 0, 4]]),  # half to even
    ("clip", (X, 0, 1), np.clip(X, 0, 1)),
    ("clip", (X, 1, 0), np.ones_like(X)),  # max_value below min_value
    ("pow", (X, 2), X**2),
    ("sign", (X,), np.sign(X)),
    ("square", (X,), X * X),
    ("exp", (X,), np.exp(X)),
    ("log", (P,), np.log(P)),
    ("sin", (X,), np.sin(X)),
    ("cos", (X,), np.cos(X)),
    ("maximum", (X, Y), np.maximum(X, Y)),
    ("minimum", (X, Y), np.minimum(X, Y)),
    ("equal", (X, Y), X == Y),
    ("not_equal", (X, Y), X != Y),
    ("greater", (X, Y), X > Y),
    ("greater_equal", (X, Y), X >= Y),
    ("less", (X, Y), X < Y),
    ("less_equal", (X, Y), X <= Y),
    ("sum", (X, 1), X.sum(1)),
    ("mean", (X, -1, True), X.mean(-1, keepdims=True)),
    ("mean", (X > 0,), 0.5),
    ("max", (X,), 4.0),
    ("min", (X, 0), X.min(0)),
    ("prod", (X, 1), X.prod(1)),
    ("var", (X, 1), X.var(1)),
    ("std", (X, 1), X.std(1)),
    ("any", (X > 3, 1), [False, True]),
    ("all", (X > -1, 1), [False, True]),
    ("argmax", (X,), [2, 2]),  # the last axis
    ("argmin", (X,), [0, 1]),
    ("cumsum", (X,), np.cumsum(X, 0)),  # the first axis
    ("cumprod", (X,), np.cumprod(X, 0)),
    ("logsumexp", (X, 1), np.log(np.exp(X).sum(1))),
    ("dot", (X, Y.T), X @ Y.T),
    ("batch_dot", (X, Y, 1), (X * Y).sum(1, keepdims=True)),
    ("batch_dot", (IMAGES[0], IMAGES[0], (1, 1)), np.einsum("bij,bik->bjk", IMAGES[0], IMAGES[0])),
    ("reshape", (X, (3, 2)), X.reshape(3, 2)),
    ("flatten", (X,), X.ravel()),
    ("batch_flatten", (IMAGES,), IMAGES.reshape(1, -1)),
    ("expand_dims", (X,), X[..., None]),
    ("squeeze", (X[:, None], 1), X),
    ("transpose", (X,), X.T),
    ("permute_dimensions", (IMAGES, (0, 3, 1, 2)), IMAGES.transpose(0, 3, 1, 2)),
    ("concatenate", ([X, Y],), np.concatenate([X, Y], -1)),  # the last axis
    ("stack", ([X, Y],), np.stack([X, Y])),
    ("tile", (X, (2, 1)), np.tile(X, (2, 1))),
    ("repeat", (X, 2), np.repeat(X[:, None], 2, 1)),
    ("repeat_elements", (X, 2, 1), np.repeat(X, 2, 1)),
    ("reverse", (X, 1), X[:, ::-1]),
    ("gather", (X, np.array([1, 1, 0])), X[[1, 1, 0]]),
    ("one_hot", (np.array([2, 0]), 3), [[0, 0, 1], [1, 0, 0]]),
    ("in_top_k", (P, np.array([0, 2]), 1), [False, True]),
    ("zeros_like", (X,), np.zeros_like(X)),
    ("ones_like", (X,), np.ones_like(X)),
    ("temporal_padding", (STEPS, (1, 2)), np.pad(STEPS, ((0, 0), (1, 2), (0, 0)))),
    ("spatial_2d_padding", (IMAGES,), np.pad(IMAGES, ((0, 0), (1, 1), (1, 1), (0, 0)))),
    ("resize_images", (IMAGES, 2, 3, "channels_last"), IMAGES.repeat(2, 1).repeat(3, 2)),
    ("relu", (X,), np.maximum(X, 0)),
    ("relu", (X, 0.1), np.where(X > 0, X, 0.1 * X)),
    ("relu", (X, 0.0, 2.0), np.clip(X, 0, 2)),
    ("relu", (X, 0.0, None, 1.0), np.where(X > 1, X, 0)),
    ("elu", (X, 0.5), np.where(X > 0, X, 0.5 * (np.exp(X) - 1))),
    ("sigmoid", (X,), 1 / (1 + np.exp(-X))),
    ("hard_sigmoid", (X,), np.clip(0.2 * X + 0.5, 0, 1)),  # not the slope of Keras 3
    ("softplus", (X,), np.log(np.exp(X) + 1)),
    ("softsign", (X,), X / (np.abs(X) + 1)),
    ("tanh", (X,), np.tanh(X)),
    ("softmax", (X,), np.exp(X) / np.exp(X).sum(1, keepdims=True)),
    ("l2_normalize", (X, 1), X / np.linalg.norm(X, axis=1, keepdims=True)),
    ("binary_crossentropy", (HOT, P), -(HOT * np.log(P) + (1 - HOT) * np.log(1 - P))),
    ("categorical_crossentropy", (HOT, P), -np.log([0.7, 0.3])),
    ("sparse_categorical_crossentropy", (np.array([1, 0]), P), -np.log([0.7, 0.3])),
    ("bias_add", (X, np.ones(3, "float32")), X + 1),
    ("pool2d", (IMAGES, (2, 2)), IMAGES[:, 1:, 1:]),  # strides 1
    (
        "pool2d",
        (IMAGES, (2, 2), (2, 2), "valid", None, "avg"),
        [[[[5, 6], [9, 10]], [[21, 22], [25, 26]]]],
    ),
    ("conv2d", (IMAGES, np.ones((1, 1, 2, 1), "float32")), IMAGES.sum(-1, keepdims=True)),
    ("conv1d", (STEPS, np.ones((2, 2, 1), "float32"), 1, "causal"), None),
    ("stop_gradient", (X,), X),
    ("identity", (X,), X),
    ("cast", (X, "int32"), X.astype("int32")),
]


def computed(value):
    return keras.ops.convert_to_numpy(value)


def tensors(arguments):
    def tensor(value):
        return keras.ops.convert_to_tensor(value) if isinstance(value, np.ndarray) else value

    return keras.tree.map_structure(tensor, arguments)


@pytest.fixture
def K(installed):
    return keras.backend


def test_the_old_figures(K):
    wrong = []
    for name, arguments, expected in VALUES:
        value = computed(getattr(K, name)(*tensors(arguments)))
        if expected is not None and not np.allclose(value, np.asarray(expected), atol=1e-5):
            wrong.append((name, value, expected))
    assert wrong == []


@pytest.mark.slow
def test_the_same_figures_for_symbolic_tensors(K):
    """Each function with `keras.ops` too, called on inputs of a model; only arrays are inputs."""
    wrong = []
    for name, arguments, expected in VALUES:
        if name in ("batch_dot", "dot"):
            continue  # one of the inputs has another number of rows
        arrays = [a for a in keras.tree.flatten(arguments) if isinstance(a, np.ndarray)]
        inputs = [keras.Input(batch_shape=a.shape, dtype=a.dtype) for a in arrays]
        symbols = iter(inputs)
        symbolic = keras.tree.map_structure(
            lambda a, symbols=symbols: next(symbols) if isinstance(a, np.ndarray) else a, arguments
        )
        output = getattr(K, name)(*symbolic)
        assert isinstance(output, keras.KerasTensor), name
        value = keras.Function(inputs, output)(tensors(arrays)) if name != "identity" else arrays[0]
        if expected is not None and not np.allclose(computed(value), expected, atol=1e-5):
            wrong.append((name, value, expected))
    assert wrong == []


def test_functions_for_every_backend_are_those_of_tensorflow_too(K):
    """What is written with `keras.ops` gives the figures of TensorFlow's function."""
    everywhere = installation.backend_functions(None)
    for name, arguments, _ in VALUES:
        if name in everywhere:
            one = computed(everywhere[name](*tensors(arguments)))
            other = computed(getattr(K, name)(*tensors(arguments)))
            np.testing.assert_allclose(one, other, atol=1e-5, err_msg=name)
            assert one.shape == other.shape, name


def test_every_function_is_there_or_says_what_to_write(K):
    names_of_old = all_names("keras.backend")
    assert len(names_of_old) > 150
    explained = []
    for name in sorted(names_of_old):
        value = getattr(K, name)
        if is_explaining(value):
            explained.append(name)
            with pytest.raises(
                NotImplementedError, match=rf"keras\.backend\.{name} .*(write|remove|no equ)"
            ):
                value(1)
    assert (
        explained
        == [
            *("atrous_conv2d", "conv3d_transpose", "deconv2d", "legacy_weight_ordering"),
            *("local_conv1d", "local_conv2d", "normalize_batch_in_training", "reset_uids"),
            "set_legacy_weight_ordering",
        ]
        or keras.backend.backend() != "tensorflow"
    )


def test_shapes_and_variables(K):
    assert K.int_shape(keras.Input((3, 4))) == (None, 3, 4)
    assert (K.ndim(keras.ops.ones((2, 3))), K.count_params(keras.ops.ones((2, 3)))) == (2, 6)
    assert K.dtype(keras.ops.ones((2,))) == "float32"
    weight = K.variable(np.array(3.0), name="a/weight")
    K.set_value(weight, 5)
    assert f"{K.get_value(weight):.2f}" == "5.00"  # a number, not an array
    K.update_add(weight, 2.0)
    K.update_sub(weight, 1.0)
    assert K.eval(weight * 2) == 12.0
    K.moving_average_update(weight, 0.0, 0.5)
    K.batch_set_value([(K.zeros((2,)), [1, 2])])
    assert K.batch_get_value([weight]) == [3.0]
    assert (K.eval(K.ones((2, 2))).sum(), K.eval(K.eye(3)).sum()) == (4.0, 3.0)
    with pytest.raises(NotImplementedError, match=r"function\(\[model.input\]"):
        K.get_value(keras.Input((2,)))
    optimizer = keras.optimizers.SGD(0.5)
    K.set_value(optimizer.lr, K.get_value(optimizer.lr) * 0.1)
    np.testing.assert_allclose(K.get_value(optimizer.learning_rate), 0.05)


def test_the_order_of_the_dimensions_of_images(K):
    before = K.image_data_format()
    try:
        K.set_image_dim_ordering("th")
        assert (K.image_data_format(), K.image_dim_ordering()) == ("channels_first", "th")
        K.set_image_dim_ordering("tf")
        assert K.image_data_format() == "channels_last"
        with pytest.raises(ValueError, match='"th" or "tf", got \'x\''):
            K.set_image_dim_ordering("x")
    finally:
        K.set_image_data_format(before)


def test_conditions_and_loops(K):
    x = keras.ops.convert_to_tensor(X)
    np.testing.assert_array_equal(computed(K.switch(x > 0, x, -x)), np.abs(X))
    np.testing.assert_array_equal(
        computed(K.switch(keras.ops.convert_to_tensor(True), lambda: x, lambda: -x)), X
    )
    rows = K.map_fn(lambda row: row * 2, x)
    np.testing.assert_array_equal(computed(rows), X * 2)
    np.testing.assert_array_equal(computed(K.foldl(lambda a, b: a + b, x)), X.sum(0))
    np.testing.assert_array_equal(computed(K.foldr(lambda a, b: b - a, x)), X[0] - X[1])


def test_random_numbers(K):
    for draw in (K.random_normal, K.random_uniform, K.truncated_normal):
        first, second = (computed(draw((50,), seed=3)) for _ in range(2))
        assert first.std() > 0.1
        assert (first != second).any()  # a seed is that of a stream
    assert set(computed(K.random_binomial((50,), p=0.5))) == {0.0, 1.0}
    dropped = computed(K.dropout(keras.ops.ones((200,)), 0.5))
    assert set(dropped) == {0.0, 2.0}


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.keras needs TensorFlow")
def test_tensorflow_only(K):
    import tensorflow as tf
    import tensorflow.keras.backend as T  # another module than tf.keras.backend

    assert K.tf is tf
    assert T.sum(keras.Input((3,))).shape == tf.keras.backend.sum(keras.Input((3,))).shape == ()
    # A sequence of two steps that says class 0, then blank (the last class).
    probabilities = np.array([[[0.9, 0.05, 0.05], [0.05, 0.05, 0.9]]], "float32")
    cost = K.ctc_batch_cost(np.array([[0]]), probabilities, np.array([[2]]), np.array([[1]]))
    likely = 0.9 * 0.9 + 0.05 * 0.05 + 0.9 * 0.05  # 0_, _0 and 00
    np.testing.assert_allclose(computed(cost), [[-np.log(likely)]], atol=1e-4)

    def step(x, states):
        total = states[0] + x
        return total, [total]

    last, outputs, _ = K.rnn(step, tf.constant(STEPS), [tf.zeros((1, 2))])
    np.testing.assert_array_equal(computed(outputs), STEPS.cumsum(1))
    np.testing.assert_array_equal(computed(last), STEPS.sum(1))


def test_products_of_tensors_with_more_than_three_axes(K):
    """A capsule network sums over the input capsules, for each output capsule on its own."""
    rng = np.random.default_rng(0)
    weights, vectors = rng.random((2, 3, 4), "float32"), rng.random((2, 3, 4, 5), "float32")
    with pytest.warns(UserWarning, match="multiplies the matrices of the last two axes"):
        found = K.batch_dot(*tensors([weights, vectors]), [2, 2])
    np.testing.assert_allclose(
        computed(found), np.einsum("bji,bjid->bjd", weights, vectors), rtol=1e-5
    )
    outputs = rng.random((2, 3, 5), "float32")
    with pytest.warns(UserWarning, match="multiplies the matrices"):
        found = K.batch_dot(*tensors([outputs, vectors]), [2, 3])
    np.testing.assert_allclose(
        computed(found), np.einsum("bjd,bjid->bji", outputs, vectors), rtol=1e-5
    )
    with pytest.warns(UserWarning, match="multiplies the matrices"):
        found = K.batch_dot(*tensors([vectors, vectors]), [3, 3])
    np.testing.assert_allclose(
        computed(found), np.einsum("bjid,bjkd->bjik", vectors, vectors), rtol=1e-5
    )
    with pytest.raises(ValueError, match=r"Keras 2.3 over any. Received: axes=\(1, 1\)"):
        K.batch_dot(*tensors([vectors, vectors]), [1, 1])

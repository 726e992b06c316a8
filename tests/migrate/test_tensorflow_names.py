"""Names of TensorFlow 1 next to Keras code, such as `tf.ConfigProto`."""

from __future__ import annotations

from tests.migrate.migrated import migrate, notes


def test_names_that_only_the_compatible_module_has():
    new = migrate("""
        import tensorflow as tf
        config = tf.ConfigProto()
        config.gpu_options.allow_growth = True
        session = tf.Session(config=config)
        small = tf.image.resize_images(image, (8, 8))
        x = tf.log(tf.reduce_sum(small))
        y = tf.compat.v1.Session()
        tf.flags.DEFINE_integer("epochs", 3, "")
    """)
    assert "config = tf.compat.v1.ConfigProto()\n" in new
    assert "session = tf.compat.v1.Session(config=config)\n" in new
    assert "small = tf.compat.v1.image.resize_images(image, (8, 8))\n" in new
    assert "x = tf.compat.v1.log(tf.reduce_sum(small))\n" in new
    assert "y = tf.compat.v1.Session()\n" in new
    assert 'tf.compat.v1.flags.DEFINE_integer("epochs", 3, "")\n' in new
    assert migrate(new) == new


def test_names_of_other_modules_stay():
    code = "import tf\nimport numpy as np\ntf.Session()\nnp.log(2)\nmodel.tf.Session()\n"
    assert migrate(code) == code


def test_imports():
    assert migrate("from tensorflow import ConfigProto, Session as S\nS()\n") == (
        "from tensorflow.compat.v1 import ConfigProto, Session as S\nS()\n"
    )
    code = "from tensorflow import Session, constant\n"
    assert migrate(code) == code
    assert "from tensorflow.compat.v1 import Session" in notes(code)[1]


def test_the_workaround_for_tensorflow_0_12_is_removed():
    assert migrate("import tensorflow as tf\ntf.python.control_flow_ops = tf\nx = 1\n") == (
        "import tensorflow as tf\nx = 1\n"
    )
    code = """
        import tensorflow as tf
        # for Keras 1.1
        tf.python.control_flow_ops = tf
        def main():
            tf.python.control_flow_ops = tf
    """
    assert "control_flow_ops" in migrate(code)
    assert all("remove tf.python.control_flow_ops = tf" in notes(code)[line] for line in (4, 6))


def test_what_has_no_substitute_is_noted():
    found = notes("""
        import tensorflow as tf
        names = tf.trainable_variables()
        layer = tf.contrib.image.rotate(x, 1)
    """)
    assert "model.trainable_variables" in found[3]
    assert "tensorflow.contrib was removed" in found[4]


def test_renamed_arguments():
    new = migrate("""
        import tensorflow as tf
        a = tf.nn.softmax(b, dim=1)
        c = tf.reduce_sum(a, reduction_indices=[1], keep_dims=True)
        d = other.softmax(b, dim=1)
    """)
    assert "a = tf.nn.softmax(b, axis=1)\n" in new
    assert "c = tf.reduce_sum(a, axis=[1], keepdims=True)\n" in new
    assert "d = other.softmax(b, dim=1)\n" in new

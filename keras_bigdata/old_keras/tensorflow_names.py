"""Names of TensorFlow 1 around the Keras code of old scripts."""

from __future__ import annotations


def _split(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Names that `tensorflow` no longer has and that mean the same in `tensorflow.compat.v1`, also where
# operations run at once. Functions of collections, such as `trainable_variables`, are not listed,
# because they return an empty list there; nor is what needs a graph, such as `placeholder`.
COMPATIBLE_NAMES: dict[str, frozenset[str]] = {
    "tensorflow": _split("""
        ConfigProto GPUOptions GraphOptions InteractiveSession OptimizerOptions RunOptions Session
        Dimension VERSION Print app flags gfile logging python_io
        get_default_graph get_default_session reset_default_graph set_random_seed
        enable_eager_execution
        assign assign_add assign_sub scatter_update
        angle batch_gather betainc bincount ceil check_numerics cholesky confusion_matrix conj
        count_nonzero cross cumprod decode_raw depth_to_space diag diag_part digamma div erf erfc
        expm1 extract_image_patches floor_div floordiv floormod global_norm igamma igammac imag
        invert_permutation is_finite is_inf is_nan lbeta lgamma lin_space log log1p log_sigmoid
        logical_xor matrix_band_part matrix_determinant matrix_diag matrix_diag_part matrix_inverse
        matrix_set_diag matrix_solve matrix_transpose mod multinomial qr
        random_crop random_gamma random_normal random_poisson random_shuffle random_uniform
        read_file real reciprocal reduce_join regex_replace rint rsqrt
        segment_max segment_mean segment_min segment_prod segment_sum self_adjoint_eig
        space_to_depth sparse_reorder sparse_tensor_dense_matmul sparse_tensor_to_dense
        sparse_to_dense squared_difference string_join string_split string_to_number svd
        to_double to_float to_int32 to_int64 trace truncated_normal
        unsorted_segment_max unsorted_segment_mean unsorted_segment_min unsorted_segment_sum
        where_v2 write_file zeta
        """),
    "tensorflow.image": _split("""
        extract_image_patches resize_area resize_bicubic resize_bilinear
        resize_image_with_crop_or_pad resize_image_with_pad resize_images resize_nearest_neighbor
        transpose_image
        """),
}

_REDUCTION = {"keep_dims": "keepdims", "reduction_indices": "axis"}
# Arguments that TensorFlow 2 has under another name, by module and function.
RENAMED_ARGUMENTS: dict[str, dict[str, dict[str, str]]] = {
    "tensorflow": {
        **{
            f"reduce_{name}": _REDUCTION
            for name in ("all", "any", "logsumexp", "max", "mean", "min", "prod", "sum")
        },
        "argmax": {"dimension": "axis"},
        "argmin": {"dimension": "axis"},
        "expand_dims": {"dim": "axis"},
        "squeeze": {"squeeze_dims": "axis"},
    },
    "tensorflow.nn": {
        "l2_normalize": {"dim": "axis"},
        "log_softmax": {"dim": "axis"},
        "softmax": {"dim": "axis"},
    },
}

"""`predict_rows`: the outputs of a model next to the rows that they belong to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from keras_bigdata.arguments import checked_names
from keras_bigdata.errors import CorruptShardError
from keras_bigdata.keras_internals.distribution import is_joint_distribution_active
from keras_bigdata.loading.sequence import ShardSequence
from keras_bigdata.representation import html_table, list_some
from keras_bigdata.shards.fields.ragged import Ragged
from keras_bigdata.shards.selecting.shard_columns import check_columns
from keras_bigdata.shards.shards import Shards

Array = npt.NDArray[Any]

OUTPUTS = "outputs"


def predict_rows(
    model: Any,
    sequence: ShardSequence,
    *,
    columns: str | Iterable[str] | None = None,
    verbose: int | str = 0,
) -> PredictedRows:
    """Predicts every row of a sequence once, and returns columns of the rows with the outputs.

    Row i of all arrays is the same row, in the order of the files, whatever the order of the
    sequence is.

    Args:
        model: a Keras model.
        sequence: the rows. Its `transform` is applied, as in epoch 0.
        columns: name or names of the metadata columns (`"file"`, `"row"`, those that were kept) and
            fields (`"labels"`) to return. Defaults to `None`: all metadata columns.
        verbose: as in `model.predict`. Defaults to `0`.

    Returns:
        A `PredictedRows`, a mapping of name -> array of shape `(rows, ...)`, or `Ragged` for rows
        of any length. The outputs of the model are under `"outputs"`: an array, or a tuple or dict
        of arrays if there are several.

    Raises:
        TypeError: if `sequence` is not a `ShardSequence`.
        ValueError: if a column is called `"outputs"`, or if several processes would predict
            together.
        ShardError: if a column does not exist, or holds encoded images.
        CorruptShardError: if a shard is corrupt: with `on_corrupt="skip"` other rows would be
            predicted in place of its rows.

    Example:

    ```python
    train = ShardSequence("shards/train", batch_size=64)
    result = predict_rows(model, train, columns=("row", "labels"))  # of images: ("file", "labels")
    wrong = result["row"][result["outputs"].argmax(-1) != result["labels"]]
    result.to_pandas().to_csv("predictions.csv")
    ```
    """
    if not isinstance(sequence, ShardSequence):
        raise TypeError(
            "`sequence` must be a ShardSequence, whose rows are known. Received: an object of type "
            f"{type(sequence).__name__}"
        )
    index, config = sequence.index, sequence.server.config
    if config.part.size > 1 or is_joint_distribution_active():
        raise ValueError(
            "A process that trains together with others cannot read the outputs of all rows. "
            "Predict in one process, without `keras.distribution`, and with part=(0, 1). "
            f"Received: part={sequence.part}"
        )
    names = list(index.columns) if columns is None else checked_names(columns, "columns")
    if OUTPUTS in names:
        raise ValueError(
            f"The name {OUTPUTS!r} would have two meanings: the outputs of the model, and a column "
            "of the shards. Read that column with `Shards(...).columns`."
        )
    check_columns(index, names)
    view = sequence.unshuffled()
    outputs = model.predict(view, verbose=verbose)
    if view.skipped_shards:
        shard = next(iter(view.skipped_shards.values()))
        raise CorruptShardError(
            f"{shard.path}: the shard is corrupt, so other rows were predicted in place of its "
            "rows. `repair` removes it from the set; then call `predict_rows` again."
        )
    if isinstance(outputs, list):
        outputs = tuple(outputs)
    for output in keras.tree.flatten(outputs):
        if len(output) != view.num_samples:
            raise ValueError(
                f"The model must return one output per row. Received: an output of shape "
                f"{np.shape(output)} for {view.num_samples:,} rows"
            )
    shards = Shards.of_index(index, config.selection, trust=config.trust)
    table = shards.columns(names, verbose=0) if names else {}
    return PredictedRows(table, outputs)


class PredictedRows(Mapping[str, Any]):
    """Columns of rows, and under `"outputs"` what a model returns for them.

    Args:
        columns: name -> array of shape `(rows, ...)`.
        outputs: an array of shape `(rows, ...)`, or a tuple or dict of such arrays.

    Example:

    ```python
    result = predict_rows(model, ShardSequence("shards/train"), columns=("row", "labels"))
    print(result["row"][0], result["labels"][0], result["outputs"][0])
    ```
    """

    def __init__(self, columns: Mapping[str, Array], outputs: Any) -> None:
        self._values = {**columns, OUTPUTS: outputs}

    def __getitem__(self, name: str) -> Any:
        if name not in self._values:
            raise KeyError(f"There is no column {name!r}. The columns are: {list_some(list(self))}")
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    @property
    def num_samples(self) -> int:
        """Number of rows."""
        return len(keras.tree.flatten(self._values[OUTPUTS])[0])

    def to_pandas(self) -> Any:
        """Returns a `pandas.DataFrame` with one line per row. Requires pandas.

        An array of shape `(rows, n)` becomes n columns, such as `outputs_0`, `outputs_1`; rows of
        any length are one column of arrays; several outputs are named by their position or key too.

        Raises:
            ImportError: if pandas is not installed.
            ValueError: if a row of an array has more than one dimension, such as a mask, or if two
                columns would have the same name.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError("`to_pandas` needs pandas: pip install pandas") from error
        table: dict[str, Array] = {}
        for name, array in self._arrays():
            for column, values in _flatten(name, array):
                if column in table:
                    raise ValueError(
                        f"Two columns would be called {column!r}. Leave one of them out of "
                        "`columns`."
                    )
                table[column] = values
        return pandas.DataFrame(table)

    def __repr__(self) -> str:
        return f"PredictedRows({self.num_samples:,} rows: {list_some(list(self))})"

    def _repr_html_(self) -> str:
        shapes = {name: f"{array.dtype} {array.shape}" for name, array in self._arrays()}
        return html_table(repr(self), shapes)

    def _arrays(self) -> Iterator[tuple[str, Array]]:
        """Yields name and array of all columns and outputs."""
        for name, value in self._values.items():
            for path, array in keras.tree.flatten_with_path(value):
                values = _as_objects(array) if isinstance(array, Ragged) else np.asarray(array)
                yield "_".join([name, *map(str, path)]), values


def _as_objects(rows: Ragged) -> Array:
    """Returns an array of objects, with one array for each row of any length."""
    array = np.empty(len(rows), object)
    for number, row in enumerate(rows):
        array[number] = row
    return array


def _flatten(name: str, array: Array) -> Iterator[tuple[str, Array]]:
    if array.ndim == 1 or array.shape[1:] == (1,):
        yield name, array.reshape(len(array))
    elif array.ndim == 2:
        for number in range(array.shape[1]):
            yield f"{name}_{number}", array[:, number]
    else:
        raise ValueError(
            f"{name!r} has shape {array.shape}, and a table holds one number or a row of numbers "
            "for each row. Use the arrays of the result itself."
        )

"""Makes the plans for the options of a sequence: the order of the rows of each variant."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_bigdata.loading.order.balanced_plan import BalancedPlan
from keras_bigdata.loading.order.bucket_plan import BucketPlan
from keras_bigdata.loading.order.epoch_plan import EpochPlan
from keras_bigdata.loading.order.selected_rows import SelectedRows
from keras_bigdata.shards.index.shard_index import Int64Array

if TYPE_CHECKING:
    from keras_bigdata.loading.batches.batch_loader import LoaderConfig


def make_plans(
    config: LoaderConfig,
    selected: SelectedRows,
    lengths_of: Callable[[Int64Array, Int64Array], Int64Array],
) -> tuple[list[Int64Array], list[EpochPlan] | list[BucketPlan] | list[BalancedPlan]]:
    """Returns the shards of each variant, and the order of its rows.

    A class goes through the variants in its own passes, so one balanced plan is for all shards.

    Args:
        config: what to load.
        selected: the rows that are used.
        lengths_of: returns the lengths of rows in the files, for `bucket`.
    """
    index = config.index
    options: dict[str, Any] = {
        "batch_size": config.batch_size,
        "shuffle": config.shuffle,
        "window_shards": config.window_shards,
        "seed": config.seed,
        "last_batch": config.last_batch,
    }
    if config.balance is not None:
        return [np.arange(len(index))], [BalancedPlan(config.balance, **options)]
    plans = [EpochPlan(selected.counts[shards], **options) for shards in selected.variants]
    if config.decode.bucket is not None:
        return selected.variants, [
            BucketPlan(plan, partial(_lengths_in_files, selected, shards, lengths_of))
            for plan, shards in zip(plans, selected.variants, strict=True)
        ]
    return selected.variants, plans


def _lengths_in_files(
    selected: SelectedRows,
    shards_of_variant: Int64Array,
    lengths_of: Callable[[Int64Array, Int64Array], Int64Array],
    shards: Int64Array,
    rows: Int64Array,
) -> Int64Array:
    """Returns the lengths of rows as a plan numbers them."""
    shards = shards_of_variant[shards]
    return lengths_of(shards, selected.rows(shards, rows))

"""Percentiles that are always values that were there."""

from __future__ import annotations

from array import array

import numpy as np


def percentiles(values: array[float], *percents: int) -> list[float]:
    """Return nearest-rank percentiles: the smallest value that so many percent don't exceed.

    Args:
        values: doubles, at least one, in any order.
        percents: whole numbers from 1 to 100; of 100 it is the largest value.
    """
    ranks = [-(-percent * len(values) // 100) - 1 for percent in percents]
    ordered = np.partition(np.frombuffer(values), ranks)
    return [float(ordered[rank]) for rank in ranks]

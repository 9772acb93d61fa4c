"""Means over any stretch of a series, from sums up to each of its steps."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Running:
    """Sums up to each step, and how many steps before it were measured."""

    sums: Array
    counts: Array

    @classmethod
    def of(cls, values: npt.NDArray[Any]) -> Self:
        """A series, row by row if it has several; NaN where nothing was measured."""
        flat = np.asarray(values, dtype=np.float64).ravel()
        known = np.isfinite(flat)
        sums, counts = (np.concatenate([[0.0], np.cumsum(v)]) for v in (np.where(known, flat, 0.0), known))
        return cls(sums, counts)

    def mean(self, begin: Indices, end: Indices) -> Array:
        """Mean from one step up to another, which does not count; NaN where nothing was measured."""
        first, last = (np.clip(at, 0, len(self.sums) - 1) for at in (begin, end))
        known = self.counts[last] - self.counts[first]
        total = self.sums[last] - self.sums[first]
        found = np.full(np.shape(total), np.nan)
        np.divide(total, known, out=found, where=known > 0)
        return found

    def mean_before(self, at: Indices, length: int) -> Array:
        """Mean of the last steps before moments; NaN where nothing was measured."""
        return self.mean(at - length, at)

"""A mixed-integer linear problem as arrays, the form in which solvers take it."""

import itertools
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class StandardForm:
    """minimize cost @ x + offset, row_low <= A x <= row_high, low <= x <= high, x[whole] integer.

    A is held by columns (compressed sparse column).
    """

    starts: npt.NDArray[np.int32]
    rows: npt.NDArray[np.int32]
    values: Floats
    row_low: Floats
    row_high: Floats
    low: Floats
    high: Floats
    whole: npt.NDArray[np.bool_]
    cost: Floats
    offset: float
    matrix_id: int = field(default_factory=itertools.count(1).__next__)
    """Forms with the same matrix and costs share it, so that a solver can go on from where it was."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.row_low), len(self.low)

    def relaxed(self, columns: npt.NDArray[np.int64] | None = None) -> "StandardForm":
        """The same with these columns (or all) no longer whole."""
        whole = self.whole.copy()
        whole[slice(None) if columns is None else columns] = False
        return replace(self, whole=whole)

    def fixed(self, columns: npt.NDArray[np.int64], values: Floats) -> "StandardForm":
        """The same with these columns held at `values`."""
        low, high, whole = self.low.copy(), self.high.copy(), self.whole.copy()
        low[columns] = high[columns] = values
        whole[columns] = False
        return replace(self, low=low, high=high, whole=whole)

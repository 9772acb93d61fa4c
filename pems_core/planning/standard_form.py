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
    interior: bool = True
    """An interior point solves it sooner than a simplex, because in the end every row has to do with every other."""
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

    def with_matrix(self, starts: npt.NDArray[np.int32], rows: npt.NDArray[np.int32], values: Floats) -> "StandardForm":
        """The same with another matrix, in which few rows have to do with each other."""
        return StandardForm(
            starts=starts.astype(np.int32),
            rows=rows.astype(np.int32),
            values=values.astype(np.float64),
            row_low=self.row_low,
            row_high=self.row_high,
            low=self.low,
            high=self.high,
            whole=self.whole,
            cost=self.cost,
            offset=self.offset,
            interior=False,
        )

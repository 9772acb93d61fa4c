"""Rooms that exchange heat, planned each by itself: the exchange is held as it was, priced, and corrected.

The heat that rooms give each other ties all temperatures of a house together. A solver that is handed these ties works
with matrices in which everything depends on everything, and its time grows with more than the square of the rooms.
So it is handed a house without them: between each two rooms flows what flowed in the last course, and a change of
that flow has the price that the last solution gives it. From the solution follow a new course and new prices, until
they agree; then the optimum is that of the whole house. Each solution also gives a bound that holds for the whole
house, however far the courses still are from each other.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array, csc_array, csr_array
from scipy.sparse.linalg import splu

from .solvers import Solution, Solver
from .standard_form import Floats, StandardForm

AGREED_K = 0.03
"""Courses that are no farther apart are one."""
MOST_ROUNDS = 12
NOTHING = 1e-6
"""Prices of this size are what a solver leaves of zero."""
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Exchanges:
    """Which equations of a form give the states of rooms, and which of their terms come from other rooms."""

    equations: Indices
    """Rows in the order of time; each has states of its own step and of the step before."""
    states: Indices
    """The column that each equation gives."""
    now: Floats
    """What each of these states is before the first step [°C]."""
    rows: Indices
    """For each term that comes from another room: the equation in which it is."""
    own: Indices
    """The column of the room's own air in the step before."""
    other: Indices
    """That of the other room's."""


@dataclass(frozen=True)
class Course:
    """What is taken to flow between rooms, and what a change of it is worth."""

    x: Floats
    """Values of all columns, of which the rooms' air counts."""
    prices: Floats
    """A price for each row, of which those of the equations count."""


@dataclass(frozen=True)
class Settled:
    """The last solution without exchanges, the course that follows from it, and what the whole house costs at least."""

    solution: Solution | None
    course: Course
    bound: float
    apart_k: float
    """How far the course that was taken is from the one that follows [K]."""


@dataclass(frozen=True)
class Loosened:
    """A form beside the same one without exchanges, which courses bring back as constants and costs."""

    form: StandardForm
    exchanges: Exchanges

    def at_rest(self) -> Course:
        """Every room stays as it is, and nothing has a price."""
        rows, columns = self.form.shape
        x = np.zeros(columns)
        x[self.exchanges.states] = self.exchanges.now
        return Course(x, np.zeros(rows))

    def along(self, held: StandardForm, course: Course) -> StandardForm:
        """`held`, which differs from the form in its bounds only, with the exchanges of a course.

        A change of exchange is priced, so objectives along the same course can be compared.
        """
        e = self.exchanges
        flows = self._conductance * (course.x[e.other] - course.x[e.own])
        rows, columns = held.shape
        shift = np.bincount(e.rows, flows, rows)
        worth = course.prices[e.rows] * self._conductance
        cost = held.cost + np.bincount(e.own, worth, columns) - np.bincount(e.other, worth, columns)
        return replace(
            self._loose,
            row_low=held.row_low - shift,
            row_high=held.row_high - shift,
            low=held.low,
            high=held.high,
            whole=held.whole,
            cost=cost,
            offset=held.offset + float(course.prices[e.rows] @ flows),
        )

    def settle(
        self, solver: Solver, held: StandardForm, course: Course, left_s: Callable[[], float], gap: float
    ) -> Settled:
        """Solve a relaxed form again and again, until the course that it takes and the one that follows agree.

        When half of the time is over, what was found has to do.

        :param held: the form with bounds of its own.
        :param gap: and until what was found is no farther than this from its bound [currency].
        """
        found, bound, apart_k = None, -np.inf, np.inf
        enough_s = left_s() / 2
        for _ in range(MOST_ROUNDS):
            solution = solver.solve(self.along(held, course), left_s())
            if solution.x is None or solution.row_duals is None:
                break
            found, prices, followed = solution, self._prices(solution.row_duals), self._followed(solution.x)
            bound = max(bound, self._bound(held, prices))
            apart_k = float(np.abs(followed - solution.x)[self.exchanges.states].max(initial=0.0))
            course = Course(followed, prices)
            agreed = apart_k <= AGREED_K and solution.objective <= bound + gap
            if agreed or left_s() < enough_s:
                break
        return Settled(found, course, bound, apart_k)

    @cached_property
    def controls(self) -> Indices:
        """The columns from which the states follow: what heats."""
        e = self.exchanges
        involved = np.unique(self._by_row[e.equations].indices).astype(np.int64)
        return np.setdiff1d(involved, e.states)

    def _followed(self, x: Floats) -> Floats:
        """The states that really follow from what heats, in place of those of a solution."""
        e = self.exchanges
        after = x.copy()
        after[e.states] = 0.0
        after[e.states] = self._steps.solve((self.form.row_low - self._by_row @ after)[e.equations])
        return after

    def _prices(self, duals: Floats) -> Floats:
        """Duals of a solution without exchanges, with those of the equations as all exchanges together make them."""
        e = self.exchanges
        prices = duals.copy()
        low, high = self.form.row_low, self.form.row_high
        # A dual is the price of a limit; where there is none, rounding has left something of it.
        prices[((prices > 0) & np.isneginf(low)) | ((prices < 0) & np.isposinf(high))] = 0.0
        prices[e.equations] = 0.0
        open_costs = (self.form.cost - self._matrix.T @ prices)[e.states]
        prices[e.equations] = self._steps.solve(open_costs, trans="T")
        return prices

    def _bound(self, held: StandardForm, prices: Floats) -> float:
        """What no solution of the whole house can cost less than: weak duality, with these prices for its rows."""
        reduced = held.cost - self._matrix.T @ prices
        reduced[self.exchanges.states] = 0.0
        endless = np.where(reduced > 0, np.isinf(held.low), np.isinf(held.high))
        reduced[endless & (np.abs(reduced) < NOTHING)] = 0.0
        of_rows = np.where(prices > 0, _times(prices, held.row_low), _times(prices, held.row_high))
        of_columns = np.where(reduced > 0, _times(reduced, held.low), _times(reduced, held.high))
        return held.offset + float(of_rows.sum() + of_columns.sum())

    @cached_property
    def _loose(self) -> StandardForm:
        """Each term of another room is moved to the room's own air: what stays of it is the difference of the two."""
        e = self.exchanges
        moved = coo_array(
            (
                np.concatenate([-self._conductance, self._conductance]),
                (np.concatenate([e.rows, e.rows]), np.concatenate([e.other, e.own])),
            ),
            shape=self.form.shape,
        )
        loose = csc_array(self._matrix + moved.tocsc())
        loose.data[np.abs(loose.data) < 1e-14] = 0.0
        loose.eliminate_zeros()
        loose.sort_indices()
        return self.form.with_matrix(loose.indptr, loose.indices, loose.data)

    @cached_property
    def _matrix(self) -> csc_array:
        form = self.form
        return csc_array((form.values, form.rows, form.starts), shape=form.shape)

    @cached_property
    def _by_row(self) -> csr_array:
        return csr_array(self._matrix)

    @cached_property
    def _conductance(self) -> Floats:
        e = self.exchanges
        return np.asarray(self._by_row[e.rows, e.other], dtype=np.float64).ravel()

    @cached_property
    def _steps(self) -> Any:
        """The equations of all states; in the order of time nothing has to be eliminated."""
        e = self.exchanges
        square = csc_array(self._by_row[e.equations][:, e.states])
        return splu(square, permc_spec="NATURAL", diag_pivot_thresh=0.0)


def _times(prices: Floats, limits: Floats) -> Floats:
    """Their products; where there is no price, a limit that does not exist costs nothing."""
    return np.multiply(prices, limits, out=np.zeros_like(prices), where=prices != 0.0)

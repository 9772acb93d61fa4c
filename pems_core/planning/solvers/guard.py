"""HiGHS in a process of its own, ended from outside when it does not keep its time."""

from time import perf_counter
from typing import cast

from pems_core.child import Child, ChildGone
from pems_core.planning.standard_form import Floats, StandardForm

from .base import Solution, SolverFailure, Status

OVERRUN_ALLOWANCE_S = 1.0
"""HiGHS looks at its clock between iterations only."""


class GuardedHighs:
    """Solves in a child process; an overrun or a crash costs one answer, never the caller."""

    name = "highs"

    def __init__(self) -> None:
        """Start the child, which gets ready while the first model is built."""
        self._child = Child("pems_core.planning.solvers.worker", "the HiGHS process")

    def ready(self) -> None:
        try:
            self._child.ready()
        except ChildGone as gone:
            raise SolverFailure(str(gone)) from gone

    def solve(
        self, form: StandardForm, time_limit_s: float, gap: float = 0.01, start: Floats | None = None
    ) -> Solution:
        self.ready()
        began = perf_counter()
        try:
            answer = self._child.ask((form, time_limit_s, gap, start), time_limit_s + OVERRUN_ALLOWANCE_S)
            return cast("Solution", answer)
        except TimeoutError:
            return Solution(Status.NONE, float("inf"), float("-inf"), None, None, perf_counter() - began)
        except ChildGone as gone:
            raise SolverFailure(str(gone)) from gone

    def close(self) -> None:
        self._child.close()

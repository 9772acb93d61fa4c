"""What every solver takes and gives."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from pems_core.domain import PemsError
from pems_core.planning.standard_form import Floats, StandardForm


class Status(StrEnum):
    OPTIMAL = "optimal"
    FEASIBLE = "feasible"
    """Stopped at a limit with a solution in hand."""
    NONE = "no solution in time"
    INFEASIBLE = "infeasible"


class SolverFailure(PemsError):
    """A solver could not be run, died, or said something that cannot be understood."""


@dataclass(frozen=True)
class Solution:
    """An answer to one standard form."""

    status: Status
    objective: float
    bound: float
    """No solution can cost less."""
    x: Floats | None
    """One value per column, None without a solution."""
    row_duals: Floats | None = None
    """One per row, for continuous problems."""
    wall_s: float = 0.0

    @property
    def found(self) -> "Floats":
        """The solution.

        :raises SolverFailure: if there is none.
        """
        if self.x is None:
            raise SolverFailure(f"the solver ended with {self.status}")
        return self.x


class Solver(Protocol):
    name: str

    def ready(self) -> None:
        """Wait until it can solve, so that its start does not count against a time limit."""

    def solve(
        self, form: StandardForm, time_limit_s: float, gap: float = 0.01, start: Floats | None = None
    ) -> Solution:
        """Solve to an absolute gap in money, or until the time limit.

        A form with the same `matrix_id` as the one before starts from its solution where the solver can.

        :param start: a feasible solution to improve on.
        """

    def close(self) -> None:
        """Give back processes and files."""

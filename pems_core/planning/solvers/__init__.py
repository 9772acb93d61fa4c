"""HiGHS and CBC behind one function, each guarded from outside against running over its time."""

from .base import Solution, Solver, SolverFailure, Status
from .cbc import Cbc
from .guard import GuardedHighs
from .highs import Highs

__all__ = ["Cbc", "GuardedHighs", "Highs", "Solution", "Solver", "SolverFailure", "Status", "solver_named"]


def solver_named(name: str, guarded: bool = True) -> Solver:
    """The solver of that name: `highs` or `cbc`.

    :param guarded: run HiGHS in a process of its own that is ended when it overruns; CBC always is one.
    """
    if name == "cbc":
        return Cbc()
    if name == "highs":
        return GuardedHighs() if guarded else Highs()
    raise ValueError(f"solver {name!r} is unknown; allowed: highs, cbc")

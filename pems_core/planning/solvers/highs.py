"""HiGHS through highspy, fed with arrays."""

from pathlib import Path
from time import perf_counter

import highspy
import numpy as np

from pems_core.planning.standard_form import Floats, StandardForm

from .base import Solution, SolverFailure, Status

_FOUND = {
    highspy.HighsModelStatus.kOptimal: Status.OPTIMAL,
    highspy.HighsModelStatus.kInfeasible: Status.INFEASIBLE,
    highspy.HighsModelStatus.kUnboundedOrInfeasible: Status.INFEASIBLE,
}

DOUBTFUL = (
    highspy.HighsModelStatus.kInfeasible,
    highspy.HighsModelStatus.kUnboundedOrInfeasible,
    highspy.HighsModelStatus.kIterationLimit,
    highspy.HighsModelStatus.kUnknown,
    highspy.HighsModelStatus.kSolveError,
)
"""Answers of an interior point that are not taken for the last word."""
MOST_IPM_ITERATIONS = 200
"""The reference house takes about 30."""


class Highs:
    """One HiGHS instance, kept between calls so that a changed problem starts from the last basis."""

    name = "highs"

    def __init__(self, crossover: bool = True) -> None:
        """Create an instance.

        :param crossover: False: stop at the interior solution of a cold relaxation, without a basis to go on from.
        """
        self._highs = highspy.Highs()
        self._highs.silent()
        # One thread: the same inputs then give the same plan, and the house computer has other work.
        self._highs.setOptionValue("threads", 1)
        self._highs.setOptionValue("mip_rel_gap", 0.0)
        if crossover:
            self._highs.setOptionValue("ipm_iteration_limit", MOST_IPM_ITERATIONS)
        self._highs.setOptionValue("run_crossover", "on" if crossover else "off")
        self._held: StandardForm | None = None

    def ready(self) -> None:
        """It always is."""

    def solve(
        self, form: StandardForm, time_limit_s: float, gap: float = 0.01, start: Floats | None = None
    ) -> Solution:
        began = perf_counter()
        warm = self._hold(form)
        highs = self._highs
        highs.setOptionValue("mip_abs_gap", gap)
        if start is not None and form.whole.any():
            known = highspy.HighsSolution()
            known.col_value = list(start)
            highs.setSolution(known)
        # The clock of an instance goes on from run to run; a search with whole columns begins one of its own.
        spent_s = 0.0 if form.whole.any() else highs.getRunTime()
        highs.setOptionValue("time_limit", spent_s + max(0.01, time_limit_s))
        interior = form.interior and not warm and not form.whole.any()
        highs.setOptionValue("solver", "ipm" if interior else "choose")
        highs.run()
        if not form.whole.any() and highs.getModelStatus() in DOUBTFUL:
            self._run_again()
        return self._answer(form, perf_counter() - began)

    def _run_again(self) -> None:
        """On a few sound, badly scaled problems the interior point goes in circles, or presolve calls them infeasible.

        The simplex decides, in the end on the whole problem.
        """
        highs = self._highs
        highs.setOptionValue("solver", "simplex")
        for presolve in ("choose", "off"):
            highs.clearSolver()
            highs.setOptionValue("presolve", presolve)
            highs.run()
            if highs.getModelStatus() not in DOUBTFUL:
                break
        highs.setOptionValue("presolve", "choose")

    def close(self) -> None:
        self._highs.clear()
        self._held = None

    def write(self, form: StandardForm, path: Path) -> None:
        """Write the problem to a file, in the format that its name ends in (`.mps`, `.lp`).

        :raises SolverFailure: if it cannot be written.
        """
        self._hold(form)
        if self._highs.writeModel(str(path)) is highspy.HighsStatus.kError:
            raise SolverFailure(f"the problem could not be written to {path}")

    def _hold(self, form: StandardForm) -> bool:
        """Pass the problem, or only what changed; True if HiGHS can go on from its last basis."""
        held, highs = self._held, self._highs
        self._held = form
        if held is not None and held.matrix_id == form.matrix_id and not held.whole.any() and not form.whole.any():
            changed = np.flatnonzero((held.low != form.low) | (held.high != form.high)).astype(np.int32)
            highs.changeColsBounds(len(changed), changed, form.low[changed], form.high[changed])
            changed = np.flatnonzero(held.cost != form.cost).astype(np.int32)
            highs.changeColsCost(len(changed), changed, form.cost[changed])
            rows_differ = (held.row_low != form.row_low) | (held.row_high != form.row_high)
            changed = np.flatnonzero(rows_differ).astype(np.int32)
            highs.changeRowsBounds(len(changed), changed, form.row_low[changed], form.row_high[changed])
            highs.changeObjectiveOffset(form.offset)
            return True
        rows, columns = form.shape
        lp = highspy.HighsLp()
        lp.num_row_, lp.num_col_ = rows, columns
        lp.col_cost_, lp.offset_ = form.cost, form.offset
        lp.col_lower_, lp.col_upper_ = form.low, form.high
        lp.row_lower_, lp.row_upper_ = form.row_low, form.row_high
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_, lp.a_matrix_.index_, lp.a_matrix_.value_ = form.starts, form.rows, form.values
        if form.whole.any():
            kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
            lp.integrality_ = [kinds[int(whole)] for whole in form.whole]
        highs.passModel(lp)
        return False

    def _answer(self, form: StandardForm, wall_s: float) -> Solution:
        highs = self._highs
        info, found = highs.getInfo(), highs.getSolution()
        status = _FOUND.get(highs.getModelStatus(), Status.NONE)
        is_mip = bool(form.whole.any())
        has_primal = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
        if status is Status.NONE and has_primal and is_mip:
            status = Status.FEASIBLE
        if status not in (Status.OPTIMAL, Status.FEASIBLE):
            bound = info.mip_dual_bound if is_mip else -np.inf
            return Solution(status, np.inf, bound, None, None, wall_s)
        objective = info.objective_function_value
        return Solution(
            status,
            objective,
            info.mip_dual_bound if is_mip else objective,
            np.array(found.col_value),
            None if is_mip else np.array(found.row_dual),
            wall_s,
        )

"""From a closed model to flows: relax, round the many small switches, branch on the few large ones."""

from collections.abc import Iterable
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from pems_core.domain import NoPlan

from .model import Rounding
from .solvers import Solver, Status
from .standard_form import Compiled, Floats, StandardForm


@dataclass(frozen=True, slots=True)
class SolveLimits:
    """When to stop: at `gap` [currency] or after `time_limit_s`."""

    time_limit_s: float = 12.0
    gap: float = 0.01


@dataclass(frozen=True)
class Solved:
    """The values of all columns, and what is known of them."""

    x: Floats
    objective: float
    bound: float
    marginal_per_kwh: tuple[float, ...]
    complete: bool
    """False: a time limit ended the search."""


def solve(compiled: Compiled, solver: Solver, limits: SolveLimits) -> Solved:
    """Solve in stages, each of which starts from what the one before found.

    1. The relaxation of everything gives a bound that no plan can beat.
    2. Switches that a part knows how to round (relays) are rounded together and held.
    3. The few that are left (operating states) are guessed from the flows of the relaxation. If the guess is
       within the gap of it, nothing is left to search; else they are branched on, starting from the guess.
    4. With all switches held, a last relaxation gives the flows and the marginal value of energy.

    :raises NoPlan: if there is no solution in time.
    """
    ends_at = perf_counter() + limits.time_limit_s

    def left_s() -> float:
        return max(0.05, ends_at - perf_counter())

    form = compiled.form
    relaxed = solver.solve(form.relaxed(), left_s())
    if relaxed.status is Status.INFEASIBLE:
        raise NoPlan("the model is infeasible: a limit that is not physics was made hard")
    if relaxed.x is None:
        raise NoPlan(f"not even the relaxation was solved within {limits.time_limit_s:g} s")
    held = _hold(form, compiled, compiled.model.roundings, relaxed.x)
    free = np.flatnonzero(held.whole)
    final = solver.solve(held.relaxed(), left_s())
    complete = True
    if len(free) and final.x is not None:
        floor = final.objective
        guessed = _hold(held, compiled, compiled.model.guesses, final.x)
        rest = np.flatnonzero(guessed.whole)
        guess = solver.solve(guessed.fixed(rest, np.round(final.x[rest])), left_s())
        final = guess
        if guess.x is None or guess.objective > floor + limits.gap:
            searched = solver.solve(held, left_s(), limits.gap, start=guess.x)
            complete = searched.status is Status.OPTIMAL
            if searched.x is not None and searched.objective < guess.objective - 1e-6:
                # The flows at given states, and their duals, come from one more relaxation.
                polished = solver.solve(held.fixed(free, np.round(searched.x[free])), max(left_s(), 1.0))
                final = polished if polished.x is not None else searched
    if final.x is None:
        raise NoPlan(f"no plan was found within {limits.time_limit_s:g} s ({final.status})")
    return Solved(
        x=final.x,
        objective=final.objective,
        bound=relaxed.bound,
        marginal_per_kwh=_marginal(compiled, final.row_duals),
        complete=complete,
    )


def _hold(form: StandardForm, compiled: Compiled, roundings: Iterable[Rounding], x: Floats) -> StandardForm:
    """The form with every switch that the roundings speak of held at its whole value."""
    values = compiled.values(x)
    for rounding in roundings:
        pairs = [
            (column, whole) for v, whole in rounding(values) if (column := compiled.columns.get(id(v))) is not None
        ]
        form = form.fixed(np.array([c for c, _ in pairs], dtype=np.int64), np.array([w for _, w in pairs]))
    return form


def _marginal(compiled: Compiled, row_duals: Floats | None) -> tuple[float, ...]:
    """Dual of the power balance per hour of the step: what one more kWh would cost."""
    if row_duals is None:
        return ()
    step_h = compiled.model.horizon.step_h
    # The balance reads sources - sinks == 0 or == known load; more load costs its dual.
    return tuple(float(row_duals[row]) / h for row, h in zip(compiled.balance_rows, step_h, strict=True))

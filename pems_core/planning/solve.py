"""From a closed model to flows: relax, round the many small switches, branch on the few large ones."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter
from typing import Any

import numpy as np

from pems_core.domain import NoPlan, Plan

from .compile import Compiled
from .exchange import Loosened
from .model import Rounding
from .solvers import Solution, Solver, Status
from .standard_form import Floats, StandardForm

SEARCH_SHARE = 0.4
"""Of the time limit: the search seldom finds more after that, and the last relaxation needs its time too."""

PROOF_S = 3.0
"""A closer bound comes mostly from cuts, found within seconds; the search after them hardly adds to it."""

TOO_FAR_K = 0.2
"""Courses of exchange that end farther apart are not believed."""


@dataclass(frozen=True, slots=True)
class SolveLimits:
    """When to stop, and when to change course."""

    time_limit_s: float = 12.0
    gap: float = 0.01
    """Stop when no choice of the operating modes can be cheaper by more than this [currency]."""
    keep_running_plan: float = 0.0
    """A new plan has to be cheaper than the running one by more than this [currency]."""
    prove_above: float | None = None
    """Of a plan that may be this much dearer than the best, a closer bound is proven [currency]; None: of none."""


@dataclass(frozen=True)
class Solved:
    """The values of all columns, and what is known of them."""

    x: Floats
    objective: float
    bound: float
    marginal_per_kwh: tuple[float, ...]
    complete: bool
    """False: a time limit ended the search."""
    kept: bool = False
    """True: the switches are those of the running plan."""


def solve(compiled: Compiled, solver: Solver, limits: SolveLimits, running: Plan | None = None) -> Solved:
    """Solve in stages, each of which starts from what the one before found.

    1. The relaxation of everything gives a bound that no plan can beat.
    2. Switches that a part knows how to round (relays) are rounded together and held.
    3. The few that are left (operating states) are guessed from the flows of the relaxation. If the guess is
       within the gap of it, nothing is left to search; else they are branched on, starting from the guess.
       Where relays leave no whole state, states are chosen first, and relays rounded to them.
    4. The switches of the running plan, as far as it reaches, are tried too, and kept if that costs no more.
    5. Where what was found is far above the bound, whole operating states give a closer one.

    Where rooms exchange heat, all this goes along courses of the exchange (:mod:`.exchange`), and the last solution,
    with all switches and heaters held, is one of the whole house again.

    :raises NoPlan: if there is no solution in time.
    """
    search = _Search(compiled, solver, limits)
    relaxed = search.relaxation()
    rounded = search.rounded(relaxed.found, compiled.form)
    try:
        found, complete = search.states(rounded)
    except NoPlan:
        # Shares of operating states may feed relays that no whole state can.
        found, complete = search.states_first(rounded)
    kept = search.running(rounded, found, running) if running is not None else None
    if kept is not None and kept.objective <= found.objective + limits.keep_running_plan:
        found = kept
    whole = search.whole_house(found)
    far = limits.prove_above is not None and whole.objective - relaxed.bound > limits.prove_above
    return Solved(
        x=whole.found,
        objective=whole.objective,
        bound=search.closer_bound(rounded, relaxed.bound) if far else relaxed.bound,
        marginal_per_kwh=_marginal(compiled, found.row_duals),
        complete=complete,
        kept=found is kept,
    )


class _Search:
    def __init__(self, compiled: Compiled, solver: Solver, limits: SolveLimits) -> None:
        self.compiled = compiled
        self.solver = solver
        self.limits = limits
        self.ends_at = perf_counter() + limits.time_limit_s
        self.rooms = Loosened(compiled.form, compiled.exchanges) if compiled.exchanges is not None else None
        self.course = self.rooms.at_rest() if self.rooms is not None else None

    def left_s(self) -> float:
        return max(0.05, self.ends_at - perf_counter())

    def relaxation(self) -> Solution:
        relaxed = self._settled(self.compiled.form.relaxed())
        if relaxed.status is Status.INFEASIBLE:
            raise NoPlan("the model is infeasible: a limit that is not physics was made hard")
        if relaxed.x is None:
            raise NoPlan(f"not even the relaxation was solved within {self.limits.time_limit_s:g} s")
        return relaxed

    def states(self, held: StandardForm) -> tuple[Solution, bool]:
        """Whole operating states with all else held, and whether the search for them was complete."""
        free = np.flatnonzero(held.whole)
        floor = self._settled(held.relaxed())
        if floor.x is None:
            raise NoPlan(f"no plan was found within {self.limits.time_limit_s:g} s ({floor.status})")
        if not len(free):
            return floor, True
        guess = self._guess(held, floor.x)
        if guess.x is not None and guess.objective <= floor.objective + self.limits.gap:
            return guess, True
        searched = self._searched(held, floor, guess)
        if searched.x is None and guess.x is None:
            searched = self._solve(held)
        complete = searched.status is Status.OPTIMAL
        if searched.x is not None:
            # Flows at given states, with heaters free again, and their duals come from one more relaxation.
            polished = self._solve(held.fixed(free, np.round(searched.x[free])))
            if polished.x is not None and polished.objective < guess.objective - 1e-6:
                return polished, complete
        if guess.x is None:
            raise NoPlan(f"no plan was found within {self.limits.time_limit_s:g} s ({searched.status})")
        return guess, complete

    def rounded(self, x: Floats, form: StandardForm) -> StandardForm:
        """A form with the switches held that a part knows how to round from a solution."""
        return _hold(form, self.compiled, _by_value(self.compiled, self.compiled.model.roundings, x))

    def states_first(self, held: StandardForm) -> tuple[Solution, bool]:
        """Whole operating states while relays are on in shares, then relays as these states can feed them; if that
        cannot be either, all switches at once.

        :param held: with relays rounded for shares of states.
        :raises NoPlan: if there is no solution in time.
        """
        form = self.compiled.form
        switches, states = np.flatnonzero(form.whole), np.flatnonzero(held.whole)
        shares = self._solve(form.relaxed(np.setdiff1d(switches, states)), SEARCH_SHARE * self.left_s())
        if shares.x is not None:
            fed = self._solve(self.rounded(shares.x, form.fixed(states, np.round(shares.x[states]))))
            if fed.x is not None:
                return fed, shares.status is Status.OPTIMAL
        searched = self._solve(form)
        if searched.x is None:
            raise NoPlan(f"no plan was found within {self.limits.time_limit_s:g} s ({searched.status})")
        polished = self._solve(form.fixed(switches, np.round(searched.x[switches])))
        return polished if polished.x is not None else searched, searched.status is Status.OPTIMAL

    def running(self, held: StandardForm, found: Solution, running: Plan) -> Solution | None:
        """The running plan's switches, and those that were found where it does not reach; None if that fails."""
        memories = [pair for memory in self.compiled.model.memories for pair in memory(running)]
        if not memories:
            return None
        whole = np.flatnonzero(self.compiled.form.whole)
        form = held.fixed(whole, np.round(found.found[whole]))
        kept = self._solve(_hold(form, self.compiled, memories))
        return kept if kept.x is not None else None

    def whole_house(self, found: Solution) -> Solution:
        """A solution with its switches and heaters held, and the exchange of heat as it follows from them."""
        if self.rooms is None:
            return found
        form, x = self.compiled.form, found.found
        whole = np.flatnonzero(form.whole)
        heaters = np.setdiff1d(self.rooms.controls, whole)
        held = form.fixed(whole, np.round(x[whole])).fixed(heaters, x[heaters])
        solution = self.solver.solve(replace(held, interior=False), max(self.left_s(), 1.0))
        # Without time for it the last course has to do, which is next to it.
        return solution if solution.x is not None else found

    def closer_bound(self, held: StandardForm, bound: float) -> float:
        """The bound of the whole house with whole operating states, as far as it is found in time.

        :param held: with relays held, which are on in shares here.
        :param bound: with shares of states, too.
        """
        form = self.compiled.form
        relays = np.setdiff1d(np.flatnonzero(form.whole), np.flatnonzero(held.whole))
        found = self.solver.solve(form.relaxed(relays), min(self.left_s(), PROOF_S), self.limits.gap)
        return max(bound, found.bound)

    def _settled(self, relaxed: StandardForm) -> Solution:
        """A relaxed form's solution, and its bound; from then on the search goes along the course that it found."""
        if self.rooms is None or self.course is None:
            return self._solve(relaxed)
        settled = self.rooms.settle(self.solver, relaxed, self.course, self.left_s, self.limits.gap)
        in_time = self.left_s() > self.limits.time_limit_s / 2
        vague = settled.apart_k > TOO_FAR_K or settled.bound == -np.inf
        if settled.solution is None or (vague and in_time):
            # Rooms so tied to each other that courses do not agree are solved as a whole, which takes longer.
            self.rooms = None
            return self._solve(relaxed)
        self.course = settled.course
        return replace(settled.solution, bound=settled.bound)

    def _solve(self, form: StandardForm, time_limit_s: float | None = None, start: Floats | None = None) -> Solution:
        """Solve along the present course."""
        if self.rooms is not None and self.course is not None:
            form = self.rooms.along(form, self.course)
        return self.solver.solve(form, self.left_s() if time_limit_s is None else time_limit_s, self.limits.gap, start)

    def _searched(self, held: StandardForm, floor: Solution, guess: Solution) -> Solution:
        """Branch on the operating states; heaters stay as the relaxation has them, which leaves little to search."""
        enough_s = min(self.left_s(), SEARCH_SHARE * self.limits.time_limit_s)
        if self.rooms is None:
            return self._solve(held, enough_s if guess.x is not None else self.left_s(), start=guess.x)
        heaters = self.rooms.controls
        return self._solve(held.fixed(heaters, floor.found[heaters]), enough_s)

    def _guess(self, held: StandardForm, x: Floats) -> Solution:
        guessed = _hold(held, self.compiled, _by_value(self.compiled, self.compiled.model.guesses, x))
        rest = np.flatnonzero(guessed.whole)
        return self._solve(guessed.fixed(rest, np.round(x[rest])))


Pairs = Sequence[tuple[Any, float]]


def _by_value(compiled: Compiled, roundings: Iterable[Rounding], x: Floats) -> Pairs:
    values = compiled.values(x)
    return [pair for rounding in roundings for pair in rounding(values)]


def _hold(form: StandardForm, compiled: Compiled, pairs: Pairs) -> StandardForm:
    """The form with these switches held; those that the model has fixed already are no columns of it."""
    found = [(column, value) for v, value in pairs if (column := compiled.columns.get(id(v))) is not None]
    return form.fixed(np.array([c for c, _ in found], dtype=np.int64), np.array([value for _, value in found]))


def _marginal(compiled: Compiled, row_duals: Floats | None) -> tuple[float, ...]:
    """Dual of the power balance per hour of the step: what one more kWh would cost."""
    if row_duals is None:
        return ()
    step_h = compiled.model.horizon.step_h
    # The balance reads sources - sinks == 0 or == known load; more load costs its dual.
    return tuple(float(row_duals[row]) / h for row, h in zip(compiled.balance_rows, step_h, strict=True))

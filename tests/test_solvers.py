"""HiGHS and CBC: what they answer, when they stop, and what happens when they do not."""

import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from scipy.sparse import csc_array

from pems_core.planning.compile import compile_model
from pems_core.planning.solvers import Cbc, GuardedHighs, Highs, Solver, SolverFailure, Status, guard, solver_named
from pems_core.planning.standard_form import Floats, StandardForm

from .lp_cases import CASES

MIXED = (
    "hybrid_inverter",
    "hybrid_inverter_negative_prices",
    "hybrid_inverter_mode_changes",
    "battery_below_floor",
    "heated_room_minimum_times",
    "flexible_load_on_off",
)


def problem(rows: Floats, low: Floats, high: Floats, upper: Floats, cost: Floats, *, whole: bool) -> StandardForm:
    """minimize cost @ x with low <= rows @ x <= high and 0 <= x <= upper; the bounded columns are whole if asked."""
    matrix = csc_array(rows)
    return StandardForm(
        starts=matrix.indptr.astype(np.int32),
        rows=matrix.indices.astype(np.int32),
        values=matrix.data.astype(np.float64),
        row_low=low,
        row_high=high,
        low=np.zeros(rows.shape[1]),
        high=upper,
        whole=np.isfinite(upper) & whole,
        cost=cost,
        offset=0.0,
    )


def market_split(markets: int = 5, products: int = 40) -> StandardForm:
    """Divide products between two sellers so that each market is halved: easy to begin with, endless to prove."""
    demand = np.random.default_rng(7).integers(0, 100, (markets, products)).astype(np.float64)
    half = np.floor(demand.sum(axis=1) / 2)
    rows = np.hstack([demand, np.eye(markets), -np.eye(markets)])
    upper = np.concatenate([np.ones(products), np.full(2 * markets, np.inf)])
    cost = np.concatenate([np.zeros(products), np.ones(2 * markets)])
    return problem(rows, half, half, upper, cost, whole=True)


def easy(*, whole: bool = True) -> StandardForm:
    """minimize -x - y with 2x + 2y <= 3: 1 with whole numbers, 1.5 without."""
    ones = np.ones(2)
    return problem(np.array([[2.0, 2.0]]), np.array([-np.inf]), np.array([3.0]), ones, -ones, whole=whole)


def impossible() -> StandardForm:
    ones = np.ones(2)
    return problem(np.array([[1.0, 1.0]]), np.array([3.0]), np.array([np.inf]), ones, ones, whole=True)


@pytest.fixture(scope="module")
def guarded() -> Iterator[GuardedHighs]:
    solver = GuardedHighs()
    yield solver
    solver.close()


@pytest.fixture(scope="module")
def cbc() -> Cbc:
    """CBC; without it these tests are skipped, except in CI, where it must be there."""
    try:
        return Cbc()
    except SolverFailure as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture(params=["highs", "guarded", "cbc"])
def solver(request: pytest.FixtureRequest) -> Solver:
    found: Solver = Highs() if request.param == "highs" else request.getfixturevalue(request.param)
    return found


def test_a_whole_problem_is_solved(solver: Solver) -> None:
    solution = solver.solve(easy(), 10.0)
    assert solution.status is Status.OPTIMAL
    assert solution.objective == pytest.approx(-1.0)
    assert solution.bound == pytest.approx(-1.0, abs=0.01)
    assert sorted(solution.found) == pytest.approx([0.0, 1.0])
    assert solution.row_duals is None


def test_a_relaxed_problem_tells_its_marginal_values(solver: Solver) -> None:
    solution = solver.solve(easy(whole=False), 10.0)
    assert solution.objective == pytest.approx(-1.5)
    assert solution.row_duals is not None
    assert solution.row_duals == pytest.approx([-0.5])


def test_an_impossible_problem_is_told(solver: Solver) -> None:
    solution = solver.solve(impossible(), 10.0)
    assert solution.status is Status.INFEASIBLE
    with pytest.raises(SolverFailure, match="the solver ended with infeasible"):
        _ = solution.found


def test_at_the_time_limit_the_best_so_far_is_given(solver: Solver) -> None:
    began = time.perf_counter()
    solution = solver.solve(market_split(), 1.0)
    assert time.perf_counter() - began < 5.0
    assert solution.status is Status.FEASIBLE
    assert 0.0 <= solution.bound < solution.objective
    form = market_split()
    whole = solution.found[form.whole]
    assert np.abs(whole - np.round(whole)).max() < 1e-6


def test_a_search_has_no_more_time_because_others_went_before(solver: Solver) -> None:
    for _ in range(6):
        began = time.perf_counter()
        solver.solve(market_split(), 0.2)
    # With the time of those before it, it had 6 s.
    assert time.perf_counter() - began < 3.0


def test_an_overrun_is_ended_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    solver = GuardedHighs()
    solver.ready()
    monkeypatch.setattr(guard, "OVERRUN_ALLOWANCE_S", -29.5)
    began = time.perf_counter()
    solution = solver.solve(market_split(), 30.0)
    assert solution.status is Status.NONE
    assert time.perf_counter() - began < 3.0
    monkeypatch.undo()
    assert solver.solve(easy(), 10.0).objective == pytest.approx(-1.0)
    solver.close()


def test_a_solver_that_dies_costs_one_answer() -> None:
    solver = GuardedHighs()
    solver.ready()
    process = solver._child.process
    assert process is not None
    threading.Timer(0.3, process.kill).start()
    with pytest.raises(SolverFailure, match="died at work; the next plan starts a new one"):
        solver.solve(market_split(), 30.0)
    assert solver.solve(easy(), 10.0).objective == pytest.approx(-1.0)
    solver.close()


def test_a_solver_that_died_between_two_plans_is_started_again(guarded: GuardedHighs) -> None:
    guarded.ready()
    process = guarded._child.process
    assert process is not None
    process.kill()
    process.wait()
    assert guarded.solve(easy(), 10.0).objective == pytest.approx(-1.0)


def test_the_same_problem_gets_the_same_answer() -> None:
    form = CASES["hybrid_inverter_negative_prices"]().model()
    compiled = compile_model(form)
    first, again = Highs().solve(compiled.form, 10.0), Highs().solve(compiled.form, 10.0)
    assert first.found.tolist() == again.found.tolist()


def test_bounds_that_change_are_solved_from_the_last_answer() -> None:
    solver = Highs()
    relaxed = easy(whole=False)
    solver.solve(relaxed, 10.0)
    held = relaxed.fixed(np.array([0]), np.array([0.25]))
    assert solver.solve(held, 10.0).found == pytest.approx([0.25, 1.0])


@pytest.mark.parametrize("name", MIXED)
def test_cbc_and_highs_agree(name: str, cbc: Cbc) -> None:
    gap = 0.001
    form = compile_model(CASES[name]().model()).form
    assert form.whole.any()
    ours, theirs = Highs().solve(form, 10.0, gap), cbc.solve(form, 10.0, gap)
    assert theirs.status is ours.status is Status.OPTIMAL
    assert theirs.objective == pytest.approx(ours.objective, abs=2 * gap)
    relaxed = form.relaxed()
    assert cbc.solve(relaxed, 10.0).objective == pytest.approx(Highs().solve(relaxed, 10.0).objective, abs=1e-5)


def test_without_the_program_cbc_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "cbcbox", None)
    with pytest.raises(SolverFailure, match=r"the program cbc was not found; install Debian's coinor-cbc") as fault:
        Cbc()
    assert '[solver] name = "highs"' in str(fault.value)


def test_a_program_that_is_not_cbc_is_told() -> None:
    false = shutil.which("false")
    assert false is not None
    with pytest.raises(SolverFailure, match="false ended with 1"):
        Cbc(false).solve(easy(), 1.0)


def test_an_unknown_solver_is_refused() -> None:
    with pytest.raises(ValueError, match="solver 'gurobi' is unknown; allowed: highs, cbc"):
        solver_named("gurobi")

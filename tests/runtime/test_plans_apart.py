"""Plans that are made in a process of their own."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import psutil
import pytest

from pems_core.domain import Plan, Rung
from pems_core.planning.planner import Planner
from pems_core.runtime.patience import BoundedPlanner, Overdue
from pems_core.runtime.plans_apart import PlannerApart
from tests.houses import SmallHouse, battery_at, inverter, small_house

SOON_S = 20.0


@pytest.fixture(scope="module")
def house() -> SmallHouse:
    return small_house({inverter(): battery_at(0.5)})


@pytest.fixture(scope="module")
def apart(house: SmallHouse) -> Iterator[PlannerApart]:
    with closing(PlannerApart(house.house, house.options)) as planner:
        yield planner


def told(plan: Plan) -> Plan:
    """A plan without how long its search took."""
    return replace(plan, solve_s=0.0)


def test_the_plan_is_that_of_the_own_process(house: SmallHouse, apart: PlannerApart) -> None:
    with closing(Planner(house.house, house.options)) as here:
        for _ in range(2):
            # The second one follows the first.
            assert told(apart.plan(house.state, house.forecasts)) == told(here.plan(house.state, house.forecasts))
            assert apart.faults == here.faults == []


def plan_for_ever(planner: Planner, house: SmallHouse) -> None:
    while True:
        planner.plan(house.state, house.forecasts)


def test_a_process_that_dies_costs_one_search(house: SmallHouse, apart: PlannerApart) -> None:
    apart.plan(house.state, house.forecasts)
    process = apart._child.process
    assert process is not None
    threading.Timer(0.01, process.kill).start()
    with pytest.raises(Overdue, match="the planning process died at work"):
        plan_for_ever(apart, house)
    assert apart.plan(house.state, house.forecasts).rung is Rung.SOLVER


def test_a_house_whose_process_hangs_goes_on_with_the_next_rung(
    house: SmallHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(BoundedPlanner(house.house, house.options, 60.0, PlannerApart)) as patient:
        assert patient.plan(house.state, house.forecasts).rung is Rung.SOLVER
        monkeypatch.setattr("pems_core.runtime.plans_apart.patience_of", lambda _: 0.0)
        followed = patient.plan(house.state, house.forecasts)
        assert followed.rung is Rung.SHIFTED
        assert "the planning process did not answer within 0 s; it was ended" in followed.detail
        monkeypatch.undo()
        assert patient.plan(house.state, house.forecasts).rung is Rung.SOLVER
        assert patient.hanging == 0


class Unsendable:
    """What a plugin's strategy may hold: it cannot be sent to another process."""

    name = "unsendable"

    def __init__(self, inner: object) -> None:
        self._inner = inner
        self._lock = threading.Lock()

    def add_to_model(self, *args: object) -> None:
        add: Callable[..., None] = self._inner.add_to_model  # type: ignore[attr-defined]
        add(*args)


def test_what_cannot_be_sent_is_planned_in_the_engines_own_process(
    house: SmallHouse, caplog: pytest.LogCaptureFixture
) -> None:
    unsendable = replace(house.house, strategy=Unsendable(house.house.strategy))
    with closing(PlannerApart(unsendable, house.options)) as planner:
        assert planner.plan(house.state, house.forecasts).rung is Rung.SOLVER
        assert planner.plan(house.state, house.forecasts).rung is Rung.SOLVER
    (warning,) = [record.getMessage() for record in caplog.records]
    assert "which keeps commands waiting: TypeError: cannot pickle" in warning


ORPHAN = """
import time
from pems_core.child import Child
child = Child("pems_core.runtime.planning_worker", "the planning process")
child.ready()
print(child.process.pid, flush=True)
time.sleep(600)
"""


def test_it_does_not_outlive_an_engine_that_was_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdout is not None
        child = psutil.Process(int(engine.stdout.readline()))
        engine.kill()
    child.wait(SOON_S)

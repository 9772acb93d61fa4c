"""A recorded cycle plans the same again, and says why and why not."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from pems_core.cli import pems
from pems_core.domain import ConfigError, HybridInverterSpec, ImportPeak, Override
from pems_core.hindsight.replay import house_of, replay
from pems_core.hindsight.why import Instead, choice_from, explained
from pems_core.learning.equipping import identified_numbers
from pems_core.planning.planner import Planner, PlanOptions

from .houses import Written

HOUR = timedelta(hours=1)


@pytest.mark.slow
def test_every_cycle_of_a_day_replays_to_the_same_plan(day: Written) -> None:
    with day.ledger() as ledger:
        cycles = [ledger.cycle(entry.number) for entry in ledger.cycles(day.start, day.end)]

    found = [replay(cycle, house_of(cycle, day.house)) for cycle in cycles]

    assert len(found) == 24
    assert [one.differences for one in found] == [[]] * 24


def test_a_cycle_that_knew_something_else_would_have_planned_otherwise(day: Written) -> None:
    with day.ledger() as ledger:
        cycle = ledger.cycle(12)
    warmer = replace(cycle.state, peak=ImportPeak(), overrides=(_hold(cycle.state.now),))

    assert replay(replace(cycle, state=warmer), day.house).differences


def test_the_house_is_the_one_that_was_there_then(day: Written, tmp_path: Path) -> None:
    changed = day.house_file.read_text(encoding="utf-8").replace("battery_kwh = 8.0", "battery_kwh = 16.0")
    other = tmp_path / "pems.toml"
    other.write_text(changed, encoding="utf-8")

    done = CliRunner().invoke(pems, ["replay", "5", "--house", str(other), "--ledger", str(day.path)])

    assert done.exit_code == 0, done.output
    assert "the same to the last bit" in done.output


def test_numbers_that_were_identified_then_are_planned_with_again(day: Written) -> None:
    with day.ledger() as ledger:
        cycle = ledger.cycle(12)
    smaller = {**identified_numbers(day.house.equipment["inverter"]), "capacity_kwh": 4.0}
    identified = replace(cycle, house={**cycle.house, "identified": {"inverter": smaller}}, fingerprint="other")

    house = house_of(identified, day.house)

    spec = house.equipment["inverter"]
    assert isinstance(spec, HybridInverterSpec)
    assert spec.battery is not None
    assert spec.battery.capacity_kwh == 4.0
    assert replay(identified, house).differences


def test_another_choice_costs_what_an_independent_plan_with_it_costs(day: Written) -> None:
    with day.ledger() as ledger:
        cycle = ledger.cycle(ledger.cycle_at(day.start + 17 * HOUR))
    choice = Instead("inverter", "mode", "grid_first")

    (answer,) = explained(cycle, day.house, day.start + 17 * HOUR, [choice]).answers

    # Another solver, another search, with the choice set as a person would.
    pinned = replace(cycle.state, overrides=(_hold(cycle.state.now, "grid_first"),))
    planner = Planner(day.house.house, PlanOptions(solver="cbc"))
    independent = planner.plan(pinned, cycle.forecasts)
    planner.close()
    assert answer.costs is not None
    assert answer.costs == pytest.approx(independent.cost - cycle.plan.cost, abs=0.05)


def test_explain_tells_why_and_why_not(day: Written) -> None:
    local = (day.start + 17 * HOUR + timedelta(minutes=20)).astimezone(day.house.site.zone)
    ask = ["explain", f"{local:%Y-%m-%dT%H:%M}", "--house", str(day.house_file), "--ledger", str(day.path)]

    done = CliRunner().invoke(pems, ask)

    assert done.exit_code == 0, done.output
    assert "cycle 18 planned at 17:00" in done.output
    assert "inverter.mode" in done.output
    assert "Why not" in done.output
    assert "CZK" in done.output


@pytest.mark.parametrize(("said", "hours"), [("17:20", 17), ("0:05", 0), ("23:30", 23)])
def test_explain_takes_a_time_as_pages_show_it(day: Written, said: str, hours: int) -> None:
    at = day.start + hours * HOUR
    done = CliRunner().invoke(pems, ["explain", said, "--house", str(day.house_file), "--ledger", str(day.path)])

    assert done.exit_code == 0, done.output
    assert f"planned at {at.astimezone(day.house.site.zone):%H:%M}" in done.output


def test_what_cannot_be_chosen_is_told_with_what_can(day: Written) -> None:
    for text, told in (
        ("inverter.mode", "device.control=value"),
        ("boiler.mode=on", "inverter"),
        ("inverter.colour=red", "stop_soc"),
        ("inverter.mode=fast", "load_first"),
    ):
        with pytest.raises(ConfigError, match=told):
            choice_from(text, day.house)


def test_a_ledger_that_is_not_there_is_told(tmp_path: Path, day: Written) -> None:
    done = CliRunner().invoke(pems, ["replay", "1", "--house", str(day.house_file), "--ledger", str(tmp_path / "no")])

    assert done.exit_code == 2
    assert "a ledger that pems run or pems simulate wrote" in done.output


def _hold(now: object, mode: str = "battery_first") -> Override:
    return Override("inverter", "mode", mode, now, now + HOUR, "test")  # type: ignore[arg-type, operator]

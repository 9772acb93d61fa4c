"""A house that runs on real protocols fills the ledger; afterwards that says what happened, why, and what it saved."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pems_core.cli import pems
from pems_core.clock import FastClock
from pems_core.domain import HOUR, InverterState, Rung
from pems_core.recording.ledger.ledger import Entry, Ledger
from pems_core.runtime.savings import Savings
from tests.brokers import Mosquitto
from tests.gate.house import GateHouse, gate_house

MIDNIGHT = datetime(2025, 3, 10, 23, 0, 5, tzinfo=UTC)
"""In Prague."""
DAY = "2025-03-11"
LOOKS = 5
MINUTE = timedelta(minutes=1)
PEAK_KW = 8.0
SELLS: Mapping[str, Any] = {"mode": "grid_first", "discharge_power_kw": 3.0, "stop_soc": 0.3, "grid_export": True}
"""What a person sets by hand, at night, when nothing is earned by it."""


@dataclass(frozen=True)
class Lived:
    """What is left of a good hour."""

    house_file: Path
    ledger_file: Path
    end: datetime
    savings: Mapping[str, Any]
    """As it stood on the broker."""

    def ledger(self) -> Ledger:
        return Ledger(self.ledger_file, FastClock(self.end))

    def ask(self, *words: str) -> Any:
        """What a command answers, as data if it can."""
        house = ["--house", str(self.house_file), "--ledger", str(self.ledger_file)]
        done = CliRunner().invoke(pems, [*words, *house])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout) if "--json" in words else done.stdout


@asynccontextmanager
async def night(mosquitto: Mosquitto, folder: Path) -> AsyncIterator[GateHouse]:
    async with gate_house(
        mosquitto, folder, MIDNIGHT, speed=200, poll_s=30.0, watchdog_s=900.0, every_minutes=30, soc=0.8, in_file=True
    ) as house:
        yield house


async def lived(mosquitto: Mosquitto, folder: Path) -> Lived:
    """A good hour of a night, in which a person sells from the battery for a while, and is told what it costs."""
    async with night(mosquitto, folder) as house:
        await house.passes(10 * MINUTE)
        await house.override(SELLS, until=house.now + 25 * MINUTE)
        await house.until(lambda: house.live.powers_kw["battery_terminal_discharge_kw"] > 2.0, "what was set")
        await house.until(lambda: not house.engine.live.commanding.overrides.active, "the end of what was set")
        await house.passes(40 * MINUTE)
        ledger, file = house.engine.folder.ledger, folder / "pems.toml"
        savings = Savings(house.engine.live, file, ledger, HOUR, lambda told: house.engine.outbox.keep("savings", told))
        for _ in range(LOOKS):
            await savings.look()
            assert not any(alert.place == "books" for alert in house.engine.live.alerts.own), house.situation
            await house.until(lambda: house.last("savings"), "what was saved")
            if house.last("savings")["saved"] is not None:
                break
            # Nothing was measured before the first reading, and books need nearly all of the time.
            await house.passes(20 * MINUTE)
        return Lived(file, ledger, house.now, house.last("savings"))


@pytest.mark.slow
@pytest.mark.live
async def test_a_house_that_runs_can_be_asked_afterwards(mosquitto: Mosquitto, tmp_path: Path) -> None:
    left = await lived(mosquitto, tmp_path)

    solved = holds_what_happened(left)
    assert "the same to the last bit" in left.ask("replay", f"{solved.number}")
    why = left.ask("explain", (solved.at + MINUTE).isoformat(), "--json")
    assert why["decisions"]
    assert all(decision["reason"] for decision in why["decisions"])
    assert any(answer["costs"] is not None for answer in why["instead"])
    review = left.ask("report", DAY, "--json", "--regret", "--now", left.savings["until"])
    assert review["saved"]["self_use"] == pytest.approx(left.savings["saved"], abs=0.1)
    meddling_is_told_apart(review)


def holds_what_happened(left: Lived) -> Entry:
    """Look into every table; a cycle that the solver planned."""
    begin = MIDNIGHT - HOUR
    with left.ledger() as ledger:
        assert ledger.alerts == []
        entries = ledger.cycles(begin, left.end)
        # Every half hour, and when something was set by hand and ended.
        assert len(entries) >= 3
        solved = [entry for entry in entries if entry.rung == Rung.SOLVER]
        cycle = ledger.cycle(solved[-1].number)
        # The verifier's own cost stands beside the solver's, and every decision says why.
        assert cycle.plan.executed_cost is not None
        assert cycle.plan.reasons
        assert cycle.decisions
        assert all(decision.reason.text for decision in cycle.decisions)
        assert isinstance(cycle.state.devices["inverter"], InverterState)
        assert cycle.readings is not None
        assert any("override" in why for entry in entries for why in ledger.cycle(entry.number).why)
        measured = ledger.telemetry([], begin, left.end)
        known = measured[["grid_import_kw", "inverter/soc", "import_price_per_kwh", "heating.kitchen_c"]]
        assert known.notna().mean().min() > 0.9
        assert len(measured) > 9
        assert "grid_first" in {word for _, _, word in ledger.words(["inverter/mode"], begin, left.end)}
        vintages = ledger.vintages("import_price_per_kwh", begin, left.end)
        assert vintages["issued_at"].nunique() == len(entries)
        commands = ledger.commands(begin, left.end)
        assert {"readback_ok", "effect_ok"} <= set(commands.loc[commands["device"] == "inverter", "stage"])
        told = [(name, content) for _, name, content in ledger.events("override", begin, left.end)]
        mode = [content for name, content in told if name == "inverter.mode"]
        assert mode[0]["by"] == "tester"
        assert any(content.get("costs") is not None for content in mode)
        assert "ended" in mode[-1]
    return solved[-1]


def meddling_is_told_apart(review: Mapping[str, Any]) -> None:
    """What was set has a share of its own; at the flat price of the night it hardly matters, without it it is none."""
    (books,) = review["days"]
    assert books["regret"]["override"] != 0.0

"""What is added to the ledger."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from pems_core.clock import Clock
from pems_core.commanding.database import Statement
from pems_core.domain import CycleReport, Forecast, Forecasts, Plan, Receipt
from pems_core.domain.plan_json import plan_to_json

from .coding import MICROSECOND, doubles, lengths_text, micros, packed, plain, readings_data, state_data
from .file import LedgerFile
from .retention import Retention

ADD_HOUSE = "INSERT OR IGNORE INTO houses (fingerprint, sections) VALUES (?, ?)"
ADD_CYCLE = (
    "INSERT OR REPLACE INTO cycles VALUES "
    "(?, ?, ifnull((SELECT id FROM houses WHERE fingerprint = ?), 0), ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
ADD_FORECAST = (
    "INSERT INTO forecasts (cycle, at, series, source, issued, means, quantiles) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
ADD_COMMAND = (
    "INSERT INTO commands (at, device, control, command, stage, transport, address, payload, reason, detail) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
ADD_EVENT = "INSERT INTO events (at, kind, name, content) VALUES (?, ?, ?, ?)"


class Adding(LedgerFile):
    """Adds what happens, each entry all or nothing."""

    def __init__(self, path: Path, clock: Clock, *, writing: bool = False, retention: Retention | None = None) -> None:
        super().__init__(path, clock, writing=writing, retention=retention)
        self._house: tuple[str, bytes] | None = None
        self._words: dict[str, str] = {}
        rows = self._database.read("SELECT number, at, cost FROM cycles ORDER BY number DESC LIMIT 1")
        self._last: tuple[int, int, float] = rows[0] if rows else (0, 0, 0.0)
        self._begins: int | None = None
        """When the steps of the cycle that was added last begin."""

    def add_house(self, fingerprint: str, house: Mapping[str, Any]) -> None:
        """Say for which house the cycles are from now on.

        :param house: plain data: `files` (name and text of each), `options` of the plans, `versions` of the solvers.
        """
        self._house = fingerprint, packed(house)
        self._database.write(Statement(ADD_HOUSE, self._house), lasting=False)

    def add_cycle(self, report: CycleReport, why: Sequence[str] = ()) -> int:
        """Keep a cycle, all of it or nothing; returns its number."""
        plan, at = report.plan, micros(report.state.now)
        number = self._last[0] + 1
        inputs = {
            "state": state_data(report.state),
            "readings": None if report.readings is None else readings_data(report.readings),
            "running": self._running(report.running),
        }
        told = {
            "decisions": [plain(decision) for decision in report.decisions],
            "why": list(why),
            "durations_s": dict(report.durations_s),
            "faults": list(report.faults),
            "detail": plan.detail,
            "models": dict(report.models),
        }
        row = (
            number,
            at,
            self._house[0] if self._house else "",
            str(plan.rung),
            plan.cost,
            plan.bound,
            plan.executed_cost,
            plan.solve_s,
            lengths_text(report.forecasts.horizon),
            packed(told),
            packed(inputs),
            packed(plan_to_json(plan)),
        )
        # In a house that runs the steps begin when the forecasts are asked for, moments before or after the state.
        begins = micros(report.forecasts.horizon.start)
        forecasts = [
            Statement(ADD_FORECAST, (number, begins, name, forecast.source, micros(forecast.issued_at),
                                     doubles(forecast.values), _quantiles(forecast)))
            for name, forecast in report.forecasts.series.items()
        ]  # fmt: skip
        receipts = [self._receipt(receipt) for receipt in report.receipts]
        # With each cycle anew: where the file was renewed meanwhile, or could not be written, its house is not there.
        houses = [Statement(ADD_HOUSE, self._house)] if self._house else []
        self._database.write(*houses, Statement(ADD_CYCLE, row), *forecasts, *receipts, lasting=False)
        self._last, self._begins = (number, at, plan.cost), begins
        self._thin(report.state.now)
        return number

    def add_beside(self, forecasts: Forecasts) -> None:
        """Keep forecasts that were made for the last cycle and used by nobody, such as of a model in shadow.

        :param forecasts: on the horizon of that cycle, named `<series>@<who>`; others are dropped, as their cycle is
            over.
        """
        begins = micros(forecasts.horizon.start)
        if begins != self._begins:
            return
        rows = [
            Statement(ADD_FORECAST, (self._last[0], begins, name, forecast.source, micros(forecast.issued_at),
                                     doubles(forecast.values), _quantiles(forecast)))
            for name, forecast in forecasts.series.items()
        ]  # fmt: skip
        self._database.write(*rows, lasting=False)

    def add_telemetry(self, start: datetime, length: timedelta, means: Mapping[str, float]) -> None:
        """Keep the means of an interval, by series; what was kept of it already is replaced."""
        known = {name: value for name, value in means.items() if value == value}
        names = json.dumps(sorted(known))
        values = doubles([float(known[name]) for name in sorted(known)])
        self._database.write(
            Statement("INSERT OR IGNORE INTO names (names) VALUES (?)", (names,)),
            Statement(
                "INSERT OR REPLACE INTO telemetry SELECT ?, ?, id, ? FROM names WHERE names = ?",
                (micros(start), length // MICROSECOND, values, names),
            ),
            lasting=False,
        )

    def add_words(self, at: datetime, words: Mapping[str, str]) -> None:
        """Keep those points that are no numbers and have changed, such as a mode."""
        changed = {point: word for point, word in words.items() if self._words.get(point) != word}
        self._words.update(changed)
        rows = [
            Statement("INSERT INTO changes (at, point, value) VALUES (?, ?, ?)", (micros(at), point, word))
            for point, word in changed.items()
        ]
        if rows:
            self._database.write(*rows, lasting=False)

    def add_event(self, at: datetime, kind: str, name: str, content: object) -> None:
        """Keep that something happened: an `alert`, an `override`, a `stage`, the version of a `model`.

        :param content: plain data for JSON.
        """
        self._database.write(Statement(ADD_EVENT, (micros(at), kind, name, json.dumps(content))), lasting=False)

    def add_day(self, day: date, content: Mapping[str, Any]) -> None:
        """Keep the books of a local day, in place of what was worked out before."""
        self._database.write(
            Statement(
                "INSERT OR REPLACE INTO days VALUES (?, ?, ?)",
                (day.isoformat(), micros(self.clock.now()), json.dumps(content)),
            ),
            lasting=False,
        )

    def _running(self, running: Plan | None) -> Any:
        """The plan that was followed: that of the cycle before, which stands there already, or else the whole of it."""
        number, at, cost = self._last
        if running is None:
            return None
        return number if (micros(running.made_at), running.cost) == (at, cost) else plan_to_json(running)

    def _receipt(self, receipt: Receipt) -> Statement:
        command = receipt.command
        words = (command.transport, command.address, command.payload, command.reason, receipt.detail)
        names = (command.device, command.control, command.id, str(receipt.stage))
        return Statement(ADD_COMMAND, (micros(receipt.at), *names, *words))


def _quantiles(forecast: Forecast) -> bytes | None:
    if not forecast.quantiles:
        return None
    return packed({repr(q): list(values) for q, values in forecast.quantiles.items()})

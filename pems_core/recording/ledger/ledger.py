"""The ledger itself: what is added to it, and what can be asked of it."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd

from pems_core.clock import Clock
from pems_core.commanding.database import Database, Statement
from pems_core.commanding.plan_json import plan_from_json, plan_to_json
from pems_core.domain import (
    Alert,
    CycleReport,
    Decision,
    Forecast,
    Forecasts,
    PemsError,
    Plan,
    Readings,
    Receipt,
    Severity,
    SiteState,
)

from .coding import (
    MICROSECOND,
    decisions_from,
    doubles,
    from_doubles,
    horizon_from,
    instant,
    lengths_text,
    micros,
    packed,
    plain,
    readings_data,
    readings_from,
    state_data,
    state_from,
    unpacked,
)
from .retention import Retention
from .salvage import salvage
from .schema import MIGRATIONS

PLACE = "ledger"
SIMULATED = "simulated"
"""Why a cycle of a simulation ran."""

ADD_CYCLE = "INSERT OR REPLACE INTO cycles VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
ADD_FORECAST = (
    "INSERT INTO forecasts (cycle, at, series, source, issued, means, quantiles) VALUES (?, ?, ?, ?, ?, ?, ?)"
)
ADD_COMMAND = (
    "INSERT INTO commands (at, device, control, command, stage, transport, address, payload, reason, detail) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
ADD_EVENT = "INSERT INTO events (at, kind, name, content) VALUES (?, ?, ?, ?)"


class NotRecorded(PemsError):
    """The ledger does not know what it is asked for."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One cycle in a list of them."""

    number: int
    at: datetime
    rung: str
    cost: float
    bound: float | None
    solve_s: float
    whole: bool
    """Its inputs and plan are still kept, so that it can be replayed."""


@dataclass(frozen=True)
class Cycle:
    """One cycle as it was: what was known, what was planned and decided."""

    number: int
    house: Mapping[str, Any]
    """What the plan was made for; see `Ledger.add_house`."""
    fingerprint: str
    state: SiteState
    readings: Readings | None
    forecasts: Forecasts
    running: Plan | None
    """The plan that was followed when this one was made."""
    plan: Plan
    decisions: Sequence[Decision]
    why: Sequence[str]
    """Why the cycle ran."""
    durations_s: Mapping[str, float]
    faults: Sequence[str]
    models: Mapping[str, str] = field(default_factory=dict)
    """By model: the version that it was planned with."""


class Ledger:
    """What happened, in one file.

    :param writing: False for who only looks: the file is neither made nor changed.
    :raises StoreUnreadable: if it cannot be read, or was written by a newer PEMS.
    """

    def __init__(self, path: Path, clock: Clock, *, writing: bool = False, retention: Retention | None = None) -> None:
        if writing:
            path.parent.mkdir(parents=True, exist_ok=True)
        self.path, self.clock = path, clock
        self.retention = retention or Retention()
        self._salvaged = 0
        self._database = Database(path, MIGRATIONS, clock, writing=writing, salvage=self._salvage, place=PLACE)
        self._house: tuple[int, str] | None = None
        self._words: dict[str, str] = {}
        rows = self._database.read("SELECT number, at, cost FROM cycles ORDER BY number DESC LIMIT 1")
        self._last: tuple[int, int, float] = rows[0] if rows else (0, 0, 0.0)
        self._begins: int | None = None
        """When the steps of the cycle that was added last begin."""
        self._thinned: date | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Write what waits."""
        self._database.close()

    @property
    def alerts(self) -> Sequence[Alert]:
        """That the file cannot be written, or was damaged and what was saved of it."""
        saved = f"; {self._salvaged} rows of it could be read and were taken over" if self._salvaged else ""
        # Nothing is commanded from the ledger: the house goes on without it.
        return [replace(a, severity=Severity.WARNING, text=a.text + saved) for a in self._database.alerts]

    def flush(self) -> bool:
        return self._database.flush()

    # What is added.

    def add_house(self, fingerprint: str, house: Mapping[str, Any]) -> None:
        """Say for which house the cycles are from now on.

        :param house: plain data: `files` (name and text of each), `options` of the plans, `versions` of the solvers.
        """
        self._database.write(
            Statement(
                "INSERT OR IGNORE INTO houses (fingerprint, sections) VALUES (?, ?)", (fingerprint, packed(house))
            ),
            lasting=False,
        )
        rows = self._database.read("SELECT id FROM houses WHERE fingerprint = ?", (fingerprint,))
        self._house = (rows[0][0] if rows else 0, fingerprint)

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
            self._house[0] if self._house else 0,
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
        self._database.write(Statement(ADD_CYCLE, row), *forecasts, *receipts, lasting=False)
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

    # What can be asked.

    def cycles(self, since: datetime, until: datetime) -> Sequence[Entry]:
        """The cycles of a time, in order."""
        rows = self._database.must_read(
            "SELECT number, at, rung, cost, bound, solve_s, inputs IS NOT NULL AND plan IS NOT NULL FROM cycles "
            "WHERE at >= ? AND at < ? ORDER BY number",
            (micros(since), micros(until)),
        )
        return [Entry(n, instant(at), rung, cost, bound, s, bool(whole)) for n, at, rung, cost, bound, s, whole in rows]

    def cycle_at(self, at: datetime) -> int:
        """The number of the cycle whose plan was in force at an instant.

        :raises NotRecorded: if there was none.
        """
        rows = self._database.must_read(
            "SELECT number FROM cycles WHERE at <= ? ORDER BY at DESC, number DESC LIMIT 1", (micros(at),)
        )
        if not rows:
            raise NotRecorded(f"{self.path}: no cycle is recorded at or before {at.isoformat()}{self._reach()}")
        return int(rows[0][0])

    def cycle(self, number: int) -> Cycle:
        """One cycle, whole.

        :raises NotRecorded: if it is not there, or so old that its inputs were dropped.
        """
        rows = self._database.must_read(
            "SELECT at, house, lengths, told, inputs, plan FROM cycles WHERE number = ?", (number,)
        )
        if not rows:
            raise NotRecorded(f"{self.path}: cycle {number} is not recorded{self._reach()}")
        at, house, lengths, told_blob, inputs_blob, plan_blob = rows[0]
        now = instant(at)
        if inputs_blob is None or plan_blob is None:
            kept = f"they are kept for {self.retention.detail:g} days"
            raise NotRecorded(
                f"{self.path}: the inputs of cycle {number} of {now:%Y-%m-%d %H:%M}Z were dropped; {kept}"
            )
        told, inputs, plan = unpacked(told_blob), unpacked(inputs_blob), plan_from_json(unpacked(plan_blob))
        if plan is None:
            raise NotRecorded(f"{self.path}: the plan of cycle {number} was written by another PEMS, in another form")
        fingerprint, sections = self._house_of(house)
        return Cycle(
            number=number,
            house=sections,
            fingerprint=fingerprint,
            state=state_from(inputs["state"]),
            readings=None if inputs["readings"] is None else readings_from(now, inputs["readings"]),
            forecasts=self._forecasts(number, now, lengths),
            running=self._running_from(inputs["running"]),
            plan=plan,
            decisions=decisions_from(told["decisions"]),
            why=told["why"],
            durations_s=told["durations_s"],
            faults=told["faults"],
            models=told.get("models", {}),
        )

    def decisions(self, since: datetime, until: datetime) -> Sequence[tuple[datetime, Sequence[Decision]]]:
        """What was decided at each cycle of a time; kept for longer than the plans."""
        rows = self._database.must_read(
            "SELECT at, told FROM cycles WHERE at >= ? AND at < ? ORDER BY number", (micros(since), micros(until))
        )
        return [(instant(at), decisions_from(unpacked(told)["decisions"])) for at, told in rows]

    def simulated(self, since: datetime, until: datetime) -> bool:
        """Whether the cycles of a time are of a simulated house, which does what it is told without commands."""
        rows = self._database.must_read(
            "SELECT told FROM cycles WHERE at >= ? AND at < ? LIMIT 1", (micros(since), micros(until))
        )
        return bool(rows) and SIMULATED in unpacked(rows[0][0])["why"]

    def state(self, number: int) -> SiteState:
        """What a cycle knew of the house.

        :raises NotRecorded: if it is not there any more.
        """
        rows = self._database.must_read("SELECT inputs FROM cycles WHERE number = ?", (number,))
        if not rows or rows[0][0] is None:
            raise NotRecorded(f"{self.path}: the state of cycle {number} is not recorded any more")
        return state_from(unpacked(rows[0][0])["state"])

    def telemetry(self, series: Sequence[str], since: datetime, until: datetime) -> pd.DataFrame:
        """What was measured: one column a series, labelled by interval start in UTC; what is not known is NaN.

        :param series: names of points or of `measured` series; none: all that there are.
        """
        rows = self._database.must_read(
            "SELECT start, names, means FROM telemetry WHERE start >= ? AND start < ? ORDER BY start",
            (micros(since), micros(until)),
        )
        known = {
            number: tuple(json.loads(names))
            for number, names in self._database.must_read("SELECT id, names FROM names")
        }
        columns = list(series) or sorted({name for n in {row[1] for row in rows} for name in known[n]})
        place = {n: _places(columns, known[n]) for n in {row[1] for row in rows}}
        table = np.full((len(rows), len(columns)), np.nan)
        for i, (_, names, means) in enumerate(rows):
            here, there = place[names]
            table[i, here] = np.frombuffer(means)[there]
        return pd.DataFrame(table, _index([row[0] for row in rows], "start"), columns)

    def interval(self, since: datetime, until: datetime) -> timedelta:
        """The length of the intervals of a time, the shortest if they differ; 5 min if there is none."""
        rows = self._database.must_read(
            "SELECT min(length) FROM telemetry WHERE start >= ? AND start < ?", (micros(since), micros(until))
        )
        return int(rows[0][0]) * MICROSECOND if rows and rows[0][0] else timedelta(minutes=5)

    def words(self, points: Sequence[str], since: datetime, until: datetime) -> Sequence[tuple[datetime, str, str]]:
        """Changes of points that are no numbers: time, point and its new value; first what held at `since`."""
        before = [
            row
            for point in points
            for row in self._database.must_read(
                "SELECT ?, point, value FROM changes WHERE point = ? AND at < ? ORDER BY at DESC LIMIT 1",
                (micros(since), point, micros(since)),
            )
        ]
        rows = self._database.must_read(
            "SELECT at, point, value FROM changes WHERE at >= ? AND at < ? ORDER BY id", (micros(since), micros(until))
        )
        return [(instant(at), point, word) for at, point, word in [*before, *rows] if point in points]

    def vintages(self, series: str, since: datetime, until: datetime) -> pd.DataFrame:
        """Every forecast of a series for steps that begin from `since` up to `until`, as it was known then.

        Columns: `issued_at`, `start` and `end` of the step, `value`, `source`, `cycle_at`, when the cycle ran that
        used it, and one for each quantile, such as p10. Of forecasts that nobody used the series is `<series>@<who>`.
        """
        furthest = timedelta(days=8) // MICROSECOND
        rows = self._database.must_read(
            "SELECT f.at, c.lengths, f.issued, f.source, f.means, f.quantiles FROM forecasts f "
            "JOIN cycles c ON c.number = f.cycle WHERE f.series = ? AND f.at >= ? AND f.at < ? ORDER BY f.at, f.id",
            (series, micros(since) - furthest, micros(until)),
        )
        grids: dict[str, np.ndarray[Any, np.dtype[np.int64]]] = {}
        tables = []
        for at, lengths, issued, source, means, quantiles in rows:
            if lengths not in grids:
                horizon = horizon_from(instant(0), lengths)
                grids[lengths] = np.array([micros(t) for t in (*horizon.starts, horizon.end)], dtype=np.int64)
            edges = grids[lengths] + at
            asked = (edges[:-1] >= micros(since)) & (edges[:-1] < micros(until))
            columns = {"value": np.frombuffer(means)}
            if quantiles is not None:
                columns |= {f"p{100 * float(q):g}": np.array(values) for q, values in unpacked(quantiles).items()}
            part = pd.DataFrame({name: values[asked] for name, values in columns.items()})
            part.insert(0, "end", edges[1:][asked])
            part.insert(0, "start", edges[:-1][asked])
            part.insert(0, "issued_at", issued)
            part.insert(4, "source", source)
            part.insert(5, "cycle_at", at)
            tables.append(part)
        found = (
            pd.concat(tables, ignore_index=True)
            if tables
            else pd.DataFrame(columns=["issued_at", "start", "end", "value", "source", "cycle_at"])
        )
        for name in ("issued_at", "start", "end", "cycle_at"):
            found[name] = pd.to_datetime(found[name].astype("int64"), unit="us", utc=True)
        return found

    def commands(self, since: datetime, until: datetime) -> pd.DataFrame:
        """Stages that commands reached: `at`, `device`, `control`, `command` (its id), `stage`, `reason`, `detail`."""
        rows = self._database.must_read(
            "SELECT at, device, control, command, stage, reason, detail FROM commands WHERE at >= ? AND at < ? "
            "ORDER BY id",
            (micros(since), micros(until)),
        )
        columns = ["at", "device", "control", "command", "stage", "reason", "detail"]
        frame = pd.DataFrame(rows, columns=columns)
        frame["at"] = pd.to_datetime(frame["at"].astype("int64"), unit="us", utc=True)
        return frame

    def events(self, kind: str, since: datetime, until: datetime) -> Sequence[tuple[datetime, str, Any]]:
        """When what happened: time, name and content."""
        rows = self._database.must_read(
            "SELECT at, name, content FROM events WHERE kind = ? AND at >= ? AND at < ? ORDER BY id",
            (kind, micros(since), micros(until)),
        )
        return [(instant(at), name, json.loads(content)) for at, name, content in rows]

    def days(self, first: date, last: date) -> Mapping[date, Mapping[str, Any]]:
        """The books of local days that are kept, from the first to the last."""
        rows = self._database.must_read(
            "SELECT day, content FROM days WHERE day >= ? AND day <= ? ORDER BY day",
            (first.isoformat(), last.isoformat()),
        )
        return {date.fromisoformat(day): json.loads(content) for day, content in rows}

    def backup(self, to: Path) -> None:
        """Copy the ledger as it is at one moment, while it is written.

        :raises sqlite3.Error: if it cannot be written there.
        """
        source = sqlite3.connect(self.path)
        target = sqlite3.connect(to)
        try:
            source.backup(target, pages=1000)
        finally:
            target.close()
            source.close()

    def _reach(self) -> str:
        rows = self._database.must_read("SELECT min(number), max(number), min(at), max(at) FROM cycles")
        first, last, begin, end = rows[0]
        if first is None:
            return "; there are none"
        return f"; there are {first} to {last}, {instant(begin):%Y-%m-%d %H:%M}Z to {instant(end):%Y-%m-%d %H:%M}Z"

    def _house_of(self, house: int) -> tuple[str, Mapping[str, Any]]:
        rows = self._database.must_read("SELECT fingerprint, sections FROM houses WHERE id = ?", (house,))
        return (rows[0][0], unpacked(rows[0][1])) if rows else ("", {})

    def _running(self, running: Plan | None) -> Any:
        """The plan that was followed: that of the cycle before, which stands there already, or else the whole of it."""
        number, at, cost = self._last
        if running is None:
            return None
        return number if (micros(running.made_at), running.cost) == (at, cost) else plan_to_json(running)

    def _running_from(self, kept: Any) -> Plan | None:
        if kept is None or isinstance(kept, dict):
            return None if kept is None else plan_from_json(kept)
        rows = self._database.must_read("SELECT plan FROM cycles WHERE number = ?", (kept,))
        if not rows or rows[0][0] is None:
            raise NotRecorded(f"{self.path}: cycle {kept}, whose plan was followed then, is not recorded any more")
        return plan_from_json(unpacked(rows[0][0]))

    def _forecasts(self, number: int, now: datetime, lengths: str) -> Forecasts:
        rows = self._database.must_read(
            "SELECT series, source, issued, means, quantiles, at FROM forecasts "
            "WHERE cycle = ? AND instr(series, '@') = 0 ORDER BY id",
            (number,),
        )
        series = {
            name: Forecast(
                from_doubles(means),
                source,
                instant(issued),
                {} if quantiles is None else {float(q): tuple(v) for q, v in unpacked(quantiles).items()},
            )
            for name, source, issued, means, quantiles, _ in rows
        }
        begins = instant(rows[0][-1]) if rows else now
        return Forecasts(horizon_from(begins, lengths), series)

    def _receipt(self, receipt: Receipt) -> Statement:
        command = receipt.command
        words = (command.transport, command.address, command.payload, command.reason, receipt.detail)
        names = (command.device, command.control, command.id, str(receipt.stage))
        return Statement(ADD_COMMAND, (micros(receipt.at), *names, *words))

    def _thin(self, now: datetime) -> None:
        """Drop what is too old, once a day."""
        if self._thinned != now.date():
            self._thinned = now.date()
            self._database.write(*self.retention.statements(now), lasting=False)

    def _salvage(self, damaged: Path, into: sqlite3.Connection) -> None:
        self._salvaged = salvage(damaged, into)


def _quantiles(forecast: Forecast) -> bytes | None:
    if not forecast.quantiles:
        return None
    return packed({repr(q): list(values) for q, values in forecast.quantiles.items()})


def _places(columns: Sequence[str], names: Sequence[str]) -> tuple[list[int], list[int]]:
    """Which columns stand where in a row of these names."""
    pairs = [(i, names.index(column)) for i, column in enumerate(columns) if column in names]
    return [i for i, _ in pairs], [j for _, j in pairs]


def _index(starts: Sequence[int], name: str) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(pd.to_datetime(np.array(starts, dtype=np.int64), unit="us", utc=True), name=name)

"""What can be asked of the ledger: cycles whole or in a list, decisions, commands, events, books."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import pandas as pd

from pems_core.domain import Decision, Forecast, Forecasts, Plan, SiteState
from pems_core.domain.plan_json import plan_from_json

from .coding import (
    decisions_from,
    decisions_told,
    from_doubles,
    horizon_from,
    instant,
    micros,
    readings_from,
    state_from,
    unpacked,
)
from .file import LedgerFile
from .records import SIMULATED, Cycle, Entry, NotRecorded


class Asking(LedgerFile):
    """Looks things up; who asks for what is not there is told what is."""

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
        return [(instant(at), decisions_told(told)) for at, told in rows]

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

    def newest_at(self) -> datetime:
        """When the newest cycle began.

        :raises NotRecorded: if there is none.
        """
        [[at]] = self._database.must_read("SELECT max(at) FROM cycles")
        if at is None:
            raise NotRecorded(f"{self.path}: no cycle is recorded")
        return instant(at)

    def _reach(self) -> str:
        rows = self._database.must_read("SELECT min(number), max(number), min(at), max(at) FROM cycles")
        first, last, begin, end = rows[0]
        if first is None:
            return "; there are none"
        return f"; there are {first} to {last}, {instant(begin):%Y-%m-%d %H:%M}Z to {instant(end):%Y-%m-%d %H:%M}Z"

    def _house_of(self, house: int) -> tuple[str, Mapping[str, Any]]:
        rows = self._database.must_read("SELECT fingerprint, sections FROM houses WHERE id = ?", (house,))
        return (rows[0][0], unpacked(rows[0][1])) if rows else ("", {})

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

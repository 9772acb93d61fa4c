"""Writes a closed loop into a ledger, as a house that runs would be."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import pandas as pd

from pems_core.clock import FastClock
from pems_core.domain import QUARTER, CycleReport, Readings, SiteState
from pems_core.planning.planner import PlanOptions
from pems_core.recording.ledger.ledger import SIMULATED, Ledger
from pems_core.recording.ledger.measured import FLOWS, PRICES, WEATHER, levels, numbers, words
from pems_core.recording.ledger.retention import Retention
from pems_core.runtime.house_record import house_record
from pems_core.site import HouseFile

from .scenario import Scenario


class WrittenRun:
    """A witness that keeps what it sees.

    :param options: with which plans are made.
    :param strategy: what is run.
    :param identified: by device: numbers that the house has in place of those of its file.
    """

    def __init__(
        self,
        path: Path,
        house: HouseFile,
        options: PlanOptions,
        strategy: str,
        scenario: Scenario,
        begin: datetime,
        identified: Mapping[str, Any] | None = None,
    ) -> None:
        self._clock = FastClock(begin)
        self._ledger = Ledger(path, self._clock, writing=True, retention=Retention(detail=4000, all=4000))
        self._ledger.add_house(*house_record(house, options, strategy, identified))
        self._scenario = scenario
        self._seen: dict[datetime, dict[str, float]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._ledger.close()

    def planned(self, report: CycleReport) -> None:
        self._ledger.add_cycle(report, (SIMULATED,))

    def passes(self, readings: Readings, state: SiteState) -> None:
        self._seen[readings.now] = numbers(readings) | levels(state)
        self._ledger.add_words(readings.now, words(readings))

    def ended(self, flows: pd.DataFrame) -> None:
        """Write the course of the run: flows as they were metered, prices and weather, and what instruments showed."""
        series = self._scenario.frame.reindex(flows.index, method="ffill")[[*PRICES, *WEATHER]]
        known = flows[[name for name in FLOWS if name in flows]].join(series)
        step = flows.index[1] - flows.index[0] if len(flows) > 1 else QUARTER
        for start, row in zip(known.index, known.to_dict("records"), strict=True):
            at = start.to_pydatetime()
            self._ledger.add_telemetry(at, step, {**self._seen.pop(at, {}), **{str(k): v for k, v in row.items()}})
        for at, levels_left in self._seen.items():
            # How the house stands at the end, of which nothing has flowed yet.
            self._ledger.add_telemetry(at, step, levels_left)

"""Walks forward through a scenario as a house would have lived it, and keeps what was foretold at each moment."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pandas as pd

from pems_core.domain import HOUR, BadSeries, Forecasts, Horizon

from .asked import AskedOutlook

DAY = timedelta(days=1)
AHEAD = timedelta(hours=48)
LEARN_EVERY = timedelta(days=30)
LEARN_FROM = timedelta(days=400)


@dataclass
class Backtest:
    """Asks the forecasters every few hours; they learn only from what was known before.

    :param first: when they are asked first.
    :param end: up to when.
    :param learn_every: None: they keep the models that they have.
    """

    asked: AskedOutlook
    first: datetime
    end: datetime
    every: timedelta = 6 * HOUR
    learn_every: timedelta | None = LEARN_EVERY
    faults: dict[str, str] = field(default_factory=dict)
    """What could not be learned, or failed, each once."""

    def run(self, told: Callable[[datetime], object] = lambda _: None) -> Mapping[str, pd.DataFrame]:
        """By series, a table of what was foretold, as `Ledger.vintages` gives it.

        :param told: hears of each moment before the forecasters are asked.
        :raises BadSeries: if the time is not one of the scenario, or has no moment to ask at.
        """
        scenario = self.asked.scenario
        if not scenario.start <= self.first < self.end <= scenario.end:
            allowed = f"{scenario.start.isoformat()} to {scenario.end.isoformat()} is allowed"
            found = f"{self.first.isoformat()} to {self.end.isoformat()}"
            raise BadSeries([f"{scenario.name}: the backtest goes from {found}; {allowed}"])
        parts: dict[str, list[pd.DataFrame]] = {}
        learned: datetime | None = None
        now = self.first
        while now < self.end:
            told(now)
            if self.learn_every is not None and (learned is None or now - learned >= self.learn_every):
                self._learn(now)
                learned = now
            steps = min(AHEAD, self.end - now) // HOUR
            if steps < 1:
                break
            answer = self.asked.answer(now, Horizon.uniform(now, HOUR, steps))
            self.faults |= {fault.partition(":")[0]: fault for fault in answer.faults}
            for name, table in tables(answer.forecasts).items():
                parts.setdefault(name, []).append(table)
            now += self.every
        return {name: pd.concat(found, ignore_index=True) for name, found in parts.items()}

    def truth(self, series: str) -> "pd.Series[float]":
        """What happened."""
        return self.asked.scenario.frame[series]

    def _learn(self, now: datetime) -> None:
        for model, fault in self.asked.learn(now, LEARN_FROM).items():
            self.faults[model] = f"{model}: not learned until {now:%Y-%m-%d}: {fault}"


def tables(forecasts: Forecasts) -> Mapping[str, pd.DataFrame]:
    """By series, one row a step: `issued_at`, `start`, `end`, `value`, `source`, and quantiles such as `p10`."""
    starts: Sequence[datetime] = forecasts.horizon.starts
    ends = [*starts[1:], forecasts.horizon.end]
    found = {}
    for name, forecast in forecasts.series.items():
        quantiles = {f"p{100 * q:g}": list(values) for q, values in forecast.quantiles.items()}
        columns = {"start": starts, "end": ends, "value": forecast.values, "source": forecast.source, **quantiles}
        table = pd.DataFrame(columns)
        table.insert(0, "issued_at", pd.Timestamp(forecast.issued_at))
        found[name] = table
    return found

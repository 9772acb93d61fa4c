"""A household whose models live through weeks: real registry and ledger, and a time that the test sets."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pems_forecasters.load import LoadForecaster

from pems_core.clock import FastClock
from pems_core.domain import (
    QUARTER,
    CycleReport,
    Forecast,
    Forecasts,
    History,
    Horizon,
    Learned,
    PemsError,
    Plan,
    Rung,
    SiteState,
)
from pems_core.learning.care import Terms
from pems_core.learning.monitor import FALLBACK, stored_as
from pems_core.learning.night import Past, night
from pems_core.learning.registry import ModelRegistry
from pems_core.learning.training import follow
from pems_core.learning.versioned import LearningForecaster, Versioned
from pems_core.recording.ledger.ledger import Ledger

LOAD, PRAGUE = "base_load_kw", "Europe/Prague"
BEGIN = datetime(2025, 1, 6, tzinfo=UTC)
ISSUED_H = (0, 12)
"""Cycles of a day that are played [UTC]; the night's work is done after the first."""

Evening = Callable[[datetime], float]
"""By day: how much the household uses in the evening [kW]."""


def household(days: int, evening_kw: Evening = lambda _: 1.5, seed: int = 1) -> "pd.Series[float]":
    """Quarter hours of a household that cooks from 17 to 20."""
    random = np.random.default_rng(seed)
    index = pd.date_range(BEGIN, periods=96 * days, freq=timedelta(minutes=15))
    busy = np.array([evening_kw(at.to_pydatetime()) * (17 <= at.hour < 20) for at in index])
    return pd.Series((0.3 + busy) * np.exp(0.2 * random.standard_normal(len(index))), index)


@dataclass
class Habit:
    """Learns how much is used in the evening of the last two weeks, which is all that it foresees."""

    model: str = LOAD
    name: str = "habit"
    series: Sequence[str] = (LOAD,)
    evening_kw: float | None = None

    def learn(self, history: History) -> Learned:
        known = history.series(LOAD)
        if len(known) < 96 * 7:
            raise PemsError("found less than a week")
        last = known[known.index >= known.index[-1] - timedelta(days=14)]
        evening = float(last[(last.index.hour >= 17) & (last.index.hour < 20)].mean())
        times = (known.index[0].to_pydatetime(), known.index[-1].to_pydatetime())
        return Learned({"evening_kw": evening}, *times, {"mae_kw": 0.08})

    def adopt(self, content: Mapping[str, Any] | None) -> None:
        self.evening_kw = None if content is None else float(content["evening_kw"])

    async def forecast(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        assert self.evening_kw is not None
        values = tuple(self.evening_kw if 17 <= start.hour < 20 else 0.3 for start in horizon.starts)
        return {LOAD: Forecast(values, "habit", state.now)}


@dataclass
class Weeks:
    """Plays days one after the other."""

    folder: Path
    load: "pd.Series[float]"
    learner: LearningForecaster = field(default_factory=Habit)
    terms: Terms = field(default_factory=Terms)
    every: timedelta = timedelta(days=7)
    issued_h: Sequence[int] = ISSUED_H
    fallback: Any = field(default_factory=lambda: LoadForecaster(PRAGUE))
    said: list[str] = field(default_factory=list)
    used: dict[datetime, str] = field(default_factory=dict)
    """By cycle: whose forecast was used."""
    faults: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.registry = ModelRegistry(self.folder / "models")
        self.versioned = Versioned(self.learner, PRAGUE)
        self.ledger = Ledger(self.folder / "ledger.sqlite3", FastClock(BEGIN), writing=True)

    def known(self, now: datetime) -> History:
        return History(self.load[self.load.index < now].to_frame(LOAD))

    def live(self, first: int, end: int) -> None:
        """Let the house live from one day to another."""
        for day in range(first, end):
            for hour in self.issued_h:
                now = BEGIN + timedelta(days=day, hours=hour)
                self.cycle(now)
                if hour == self.issued_h[0]:
                    self.night(now + timedelta(hours=2))

    def cycle(self, now: datetime) -> None:
        """Foresee as the engine does, and beside it as it does once an hour."""
        self.faults |= set(follow([self.versioned], self.registry))
        asyncio.run(self._cycle(now))

    async def _cycle(self, now: datetime) -> None:
        horizon, state = Horizon.uniform(now, QUARTER, 96), SiteState(now, {})
        weeks = self.known(now)
        history = History(weeks.frame[weeks.frame.index >= now - timedelta(days=35)])
        fallback = await self.fallback.forecast(horizon, state, history)
        used = {**fallback, **await self.versioned.forecast(horizon, state, history)}
        if not used:
            return
        self.used[now] = used[LOAD].source
        self.ledger.add_cycle(CycleReport(state, Forecasts(horizon, used), no_plan(horizon), ()))
        found = dict(await self.versioned.beside(horizon, state, history))
        found |= {stored_as(name, FALLBACK): forecast for name, forecast in fallback.items()}
        self.ledger.add_beside(Forecasts(horizon, found))

    def night(self, now: datetime) -> None:
        self.ledger.flush()
        past = Past(self.known(now), self.ledger.vintages, self.ledger.telemetry)
        self.said += night([self.learner], (), self.registry, past, now, PRAGUE, self.every, self.terms)

    @property
    def story(self) -> list[tuple[int | None, str]]:
        """Versions and the stages that they came to."""
        return [(use.number, str(use.stage)) for use in self.registry.story(LOAD)]


def no_plan(horizon: Horizon) -> Plan:
    return Plan(horizon, {}, {}, {}, {}, rung=Rung.RELEASE, made_at=horizon.start, valid_until=horizon.end)

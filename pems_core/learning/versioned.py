"""A learner in its place among the forecasters: with the version in use, and beside it a new one that is tried."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Protocol, runtime_checkable
from zoneinfo import ZoneInfo

from pems_core.domain import Forecast, History, Horizon, PemsError, SiteState
from pems_core.protocols import Forecaster, Learner

from .care import turn
from .monitor import stored_as, who_of
from .registry import BrokenModel, ModelRegistry, Stage, Version

TRIED_WITHIN_S = 10.0
"""A version that is tried or judged and answers later has not answered: who is in use must still be in time."""


@runtime_checkable
class LearningForecaster(Forecaster, Learner, Protocol):
    """What learns and forecasts."""


@dataclass(frozen=True)
class Adopted:
    """A copy of the learner that has adopted one version."""

    number: int
    forecaster: LearningForecaster


@dataclass
class Versioned:
    """Forecasts with the version in use; on its days with the one that is on trial.

    :param learner: stays without a model; copies of it adopt versions.
    :param trial_share: share of days on which a version on trial is used.
    :param tried_within_s: what a version may take beside the one in use, and on its own days [s].
    """

    learner: LearningForecaster
    timezone: str
    trial_share: float = 0.5
    used: Adopted | None = None
    tried: Adopted | None = None
    before: Adopted | None = None
    on_trial: bool = False
    tried_within_s: float = TRIED_WITHIN_S
    _zone: ZoneInfo = field(init=False)

    def __post_init__(self) -> None:
        self._zone = ZoneInfo(self.timezone)

    @property
    def name(self) -> str:
        return self.learner.name

    @property
    def series(self) -> Sequence[str]:
        return self.learner.series

    @property
    def model(self) -> str:
        return self.learner.model

    def in_force(self, state: SiteState) -> Adopted | None:
        """Whose day it is; None: the next in the chain answers."""
        today = self.on_trial and turn(self.model, state.now.astimezone(self._zone), self.trial_share)
        return self.tried if today and self.tried is not None else self.used

    async def forecast(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        """See `Forecaster.forecast`. Where the version on trial has no answer, the one in use gives it."""
        chosen = self.in_force(state)
        if chosen is None:
            return {}
        if chosen is self.tried:
            found: Mapping[str, Forecast] = {}
            with suppress(Exception):
                async with asyncio.timeout(self.tried_within_s):
                    found = await _foreseen(chosen, horizon, state, history)
            if found or self.used is None:
                return found
            chosen = self.used
        return await _foreseen(chosen, horizon, state, history)

    async def beside(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        """What every version says that is in use, tried, or was in use before; named as it is stored."""
        found: dict[str, Forecast] = {}
        for adopted in (self.used, self.tried, self.before):
            if adopted is None:
                continue
            said: Mapping[str, Forecast] = {}
            # A version that fails or is late has foreseen nothing, which is judged.
            with suppress(Exception):
                async with asyncio.timeout(self.tried_within_s):
                    said = await _foreseen(adopted, horizon, state, history)
            who = who_of(adopted.number)
            found |= {stored_as(series, who, self.model): forecast for series, forecast in said.items()}
        return found

    def follow(self, registry: ModelRegistry) -> Iterator[str]:
        """Take the versions as the registry has them; what is broken is told, a line each, and done without."""
        tried = registry.tried(self.model)
        self.on_trial = tried is not None and tried.stage is Stage.TRIAL
        wanted = (registry.in_use(self.model), None if tried is None else tried.version, registry.before(self.model))
        found: list[Adopted | None] = []
        for version in wanted:
            fault = ""
            try:
                found.append(None if version is None else self._with(version, registry))
            except BrokenModel as broken:
                fault = str(broken)
            except (PemsError, KeyError, TypeError, ValueError) as other:
                fault = f"{type(other).__name__}: {other}"
            if fault:
                found.append(None)
                yield f"{self.model}: {fault}"
        self.used, self.tried, self.before = found

    def _with(self, version: Version, registry: ModelRegistry) -> Adopted:
        forecaster = copy(self.learner)
        forecaster.adopt(registry.content(version))
        return Adopted(version.number, forecaster)


async def _foreseen(adopted: Adopted, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
    said = await adopted.forecaster.forecast(horizon, state, history)
    return {
        series: replace(forecast, source=f"{forecast.source}, {who_of(adopted.number)}")
        for series, forecast in said.items()
    }

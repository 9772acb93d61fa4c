"""What a house does with its models once a night: judge, learn what is due, identify."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from pems_core.domain import QUARTER, History, PemsError

from .care import LOOK_BACK, Terms, Vintages, review
from .device_models import DeviceModel, Telemetry, tend
from .registry import ModelRegistry
from .training import Outcome, train, why_learn
from .versioned import LearningForecaster


@dataclass(frozen=True)
class Past:
    """What is known of a house: what was measured, and what was foreseen of it.

    :param history: quarter hours of what forecasters learn from.
    """

    history: History
    vintages: Vintages
    telemetry: Telemetry

    def measured(self, series: str, now: datetime) -> "pd.Series[float]":
        """Quarter hours of what a model foresees; of prices, as they were when they applied."""
        known = self.history.series(series)
        if len(known):
            return known
        found = self.telemetry([series], now - LOOK_BACK, now)[series].dropna()
        return found.resample(pd.Timedelta(QUARTER)).mean() if len(found) else found


def judge(
    learners: Sequence[LearningForecaster],
    registry: ModelRegistry,
    past: Past,
    now: datetime,
    timezone: str,
    terms: Terms | None = None,
) -> Sequence[str]:
    """Bring the versions of each model to the stage that they have earned; a line for each that changed."""
    said = []
    for learner in learners:
        before = len(registry.story(learner.model))
        try:
            # Its first series stands for all: feed-in follows the same spot price as import.
            series = learner.series[0]
            measured = past.measured(series, now)
            review(learner.model, series, registry, past.vintages, measured, now, timezone, terms)
        except PemsError as fault:
            said.append(f"{learner.model}: not judged: {fault}")
        except Exception as fault:  # noqa: BLE001 - what cannot be judged costs its model, not the night
            said.append(f"{learner.model}: not judged: {type(fault).__name__}: {fault}")
        for use in registry.story(learner.model)[before:]:
            version = "no version" if use.number is None else f"version {use.number}"
            said.append(f"{learner.model}: {version}: {use.stage}: {use.why}")
    return said


def due(
    learners: Sequence[LearningForecaster], registry: ModelRegistry, now: datetime, every: timedelta
) -> Sequence[LearningForecaster]:
    """The models that are to be learned anew."""
    return [learner for learner in learners if why_learn(learner, registry, now, every)]


def identify(models: Sequence[DeviceModel], registry: ModelRegistry, past: Past, now: datetime) -> Sequence[Outcome]:
    """Look after what is known of each device."""
    outcomes = []
    for model in models:
        try:
            outcomes.append(Outcome(model.model, None, tend(model, registry, past.telemetry, now)))
        except Exception as fault:  # noqa: BLE001 - what cannot be identified costs its numbers, not the others'
            outcomes.append(Outcome(model.model, None, f"not identified: {type(fault).__name__}: {fault}"))
    return outcomes


def night(
    learners: Sequence[LearningForecaster],
    devices: Sequence[DeviceModel],
    registry: ModelRegistry,
    past: Past,
    now: datetime,
    timezone: str,
    every: timedelta,
    terms: Terms | None = None,
    told: Callable[[str], object] = lambda _: None,
) -> Sequence[str]:
    """Judge, learn what is due, identify; what came of it, in lines."""
    said = list(judge(learners, registry, past, now, timezone, terms))
    wanted = due(learners, registry, now, every)
    outcomes = [*train(wanted, past.history, registry, now, told), *identify(devices, registry, past, now)]
    return said + [f"{outcome.model}: {outcome.said}" for outcome in outcomes]

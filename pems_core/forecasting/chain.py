"""Asks every forecaster and takes each series from the first that has it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pems_core.domain import Forecast, Forecasts, History, Horizon, SiteState
from pems_core.protocols import Forecaster, Learner

ANSWER_WITHIN_S = 30.0


@dataclass(frozen=True)
class Answer:
    """What all forecasters together expect, and what went wrong on the way."""

    forecasts: Forecasts
    faults: tuple[str, ...]
    """One line for each forecaster or series that could not be used; the series came from the next in the chain."""


async def ask(
    forecasters: Sequence[Forecaster],
    horizon: Horizon,
    state: SiteState,
    history: History,
    answer_within_s: float = ANSWER_WITHIN_S,
) -> Answer:
    """Forecast every series that anybody gives; all are asked at once, the first in the sequence wins.

    A forecaster that fails, is late, or gives values that do not fit the horizon is a fault, never an error: a
    series that then nobody gives is missed by those who need it.
    """
    answers = await asyncio.gather(
        *(_answer(f, horizon, state, history, answer_within_s) for f in forecasters),
        return_exceptions=True,
    )
    chosen: dict[str, Forecast] = {}
    faults: list[str] = []
    for forecaster, answer in zip(forecasters, answers, strict=True):
        if isinstance(answer, BaseException):
            faults.append(failure(forecaster, answer, answer_within_s))
            continue
        good, bad = usable(forecaster, answer, horizon)
        faults += bad
        chosen = good | chosen
    return Answer(Forecasts(horizon, chosen), tuple(faults))


async def _answer(
    forecaster: Forecaster, horizon: Horizon, state: SiteState, history: History, within_s: float
) -> Mapping[str, Forecast]:
    # Not wait_for: before Python 3.12 it can swallow a cancellation that comes together with the answer.
    async with asyncio.timeout(within_s):
        return await forecaster.forecast(horizon, state, history)


def ranked(forecasters: Sequence[Forecaster], first: Sequence[str] = ()) -> list[Forecaster]:
    """The chain: those named in `first` in that order, then those that learn from the house, then the others.

    Among equals the name decides, so that plugin order has no say.
    """
    places = {name: place for place, name in enumerate(first)}
    return sorted(forecasters, key=lambda f: (places.get(f.name, len(places)), not isinstance(f, Learner), f.name))


def failure(forecaster: Forecaster, error: BaseException, answer_within_s: float) -> str:
    # Being cancelled or interrupted is no fault of a forecaster.
    if not isinstance(error, Exception):
        raise error
    if isinstance(error, TimeoutError):
        return f"forecaster {forecaster.name}: no answer in {answer_within_s:g} s"
    return f"forecaster {forecaster.name}: {type(error).__name__}: {error}"


def usable(
    forecaster: Forecaster, answer: Mapping[str, Forecast], horizon: Horizon
) -> tuple[dict[str, Forecast], list[str]]:
    """The series of an answer that fit the horizon, and what is wrong with the others."""
    good: dict[str, Forecast] = {}
    bad: list[str] = []
    for name, forecast in answer.items():
        if name not in forecaster.series:
            allowed = ", ".join(forecaster.series) or "none"
            bad.append(f"forecaster {forecaster.name}: gave {name}, which it does not declare; declared: {allowed}")
            continue
        try:
            Forecasts(horizon, {name: forecast})
        except ValueError as error:
            bad.append(f"forecaster {forecaster.name}: {error}")
            continue
        good[name] = forecast
    return good, bad

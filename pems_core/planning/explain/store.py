"""What it would cost to have less, or more, in a store of energy: a battery, or the mass of a room."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

NOTHING_KWH = 1e-6


@dataclass(frozen=True, slots=True)
class Option:
    """One way to make up for energy that is missing in the store."""

    t: int
    """Step in which it is done; the store has the energy at the end of it."""
    kwh: float
    """Most that it can give [kWh in the store]."""
    cost_per_kwh: float
    """[currency per kWh in the store]; negative if it earns."""
    kind: str
    price_per_kwh: float = 0.0
    """The price that it is about, as a person knows it [currency/kWh]."""


@dataclass(frozen=True, slots=True)
class Taken:
    option: Option
    kwh: float
    """In the store, at the time of the option."""


@dataclass(frozen=True)
class MadeUp:
    """The cheapest way to make up for missing energy."""

    cost: float
    taken: Sequence[Taken]
    missing_kwh: float
    """What could not be made up in time, as it was when it was missed first."""


def make_up(
    missing_kwh: Mapping[int, float], slack_kwh: Sequence[float], options: Sequence[Option], keeps: Sequence[float]
) -> MadeUp:
    """The cheapest options that keep the store above its floor when `missing_kwh` never comes in.

    Read upside down it does for energy that stays in: `slack_kwh` is then the room below the ceiling, and each
    option takes energy out for `-cost_per_kwh`.

    :param missing_kwh: by step; in the store at the end of it.
    :param slack_kwh: how much less the store could hold at the end of each step. After the last step nothing may be
        missing, so there should be an option for what is left there, at the value that it has.
    :param keeps: share of the energy at the start of each step that is left at its end.
    """
    available: list[tuple[float, int, float]] = []
    left = 1.0
    lowered = given_up = cost = 0.0
    taken: dict[int, float] = {}
    by_step: dict[int, list[int]] = {}
    for i, option in enumerate(options):
        by_step.setdefault(option.t, []).append(i)
    last = len(slack_kwh) - 1
    # Energies are counted as of the start of the horizon, so that a shift keeps its size while it decays.
    for t in range(len(slack_kwh)):
        left *= keeps[t]
        lowered += missing_kwh.get(t, 0.0) / left
        for i in by_step.get(t, ()):
            heappush(available, (options[i].cost_per_kwh * left, i, options[i].kwh / left))
        excess = lowered - (slack_kwh[t] / left if t < last else 0.0)
        while excess > NOTHING_KWH and available:
            price, i, most = heappop(available)
            amount = min(excess, most)
            if most > amount:
                heappush(available, (price, i, most - amount))
            taken[i] = taken.get(i, 0.0) + amount
            cost += price * amount
            lowered -= amount
            excess -= amount
        if excess > NOTHING_KWH:
            given_up += excess
            lowered -= excess
    return MadeUp(cost, _in_time(taken, options, keeps), given_up)


def _in_time(taken: Mapping[int, float], options: Sequence[Option], keeps: Sequence[float]) -> list[Taken]:
    """What was taken, in kWh as they are at the time of each option, in order of time."""
    left = [1.0]
    for share in keeps:
        left.append(left[-1] * share)
    found = [Taken(options[i], kwh * left[options[i].t + 1]) for i, kwh in taken.items()]
    return sorted(found, key=lambda one: (one.option.t, one.option.kind))

"""Reasons for when rooms are heated: before dear hours, at negative prices, at the edge of comfort, or not at all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import exp

from pems_core.domain import Forecasts, HeatingSpec, Plan, Reason, RoomSpec
from pems_core.planning.parts.terminal import heat_kwh_value

from .prices import Prices
from .store import MadeUp, Option, make_up
from .words import Words, price

HEATS, COASTS = "heats", "coasts"
HEATING_SHARE = 0.05
"""Of the relay's power."""
BRIDGED_H = 1.0
"""Relays cycle: a pause up to this length belongs to the heating around it."""
COAST_H = 1.0
"""Shorter pauses are not spoken of."""
DEARER = 1.05
NOTABLE_MONEY = 0.005
NEEDED_SHARE = 0.3
NEARBY_H = 12.0
"""A room that coasts was heated, or will be, within this time."""


@dataclass(frozen=True)
class RoomBook:
    """Heat in one room over a plan: a store with a floor at the low end of the comfort band.

    Air and slab are taken as one mass that loses heat to the outside; heat that goes to other rooms is not lost.
    """

    plan: Plan
    forecasts: Forecasts
    heating: str
    room: RoomSpec
    prices: Prices

    @cached_property
    def heat_kw(self) -> tuple[float, ...]:
        return self.plan.dispatch[f"{self.heating}.{self.room.name}_kw"]

    def heat_kwh(self, t: int) -> float:
        return self.heat_kw[t] * self.plan.horizon.step_h[t]

    def price(self, t: int) -> float:
        return self.prices.of_heat[t]

    @cached_property
    def keeps(self) -> tuple[float, ...]:
        mass = self.room.air_kwh_per_k + self.room.slab_kwh_per_k
        return tuple(exp(-self.room.outside_kw_per_k / mass * h) for h in self.plan.horizon.step_h)

    @cached_property
    def air_c(self) -> tuple[float, ...]:
        return self.plan.levels[f"{self.heating}.{self.room.name}_c"]

    @cached_property
    def above_floor_kwh(self) -> tuple[float, ...]:
        """Heat beyond what holds the low end of the band at the end of each step; 0 if there is less."""
        room, slab_c = self.room, self.plan.levels[f"{self.heating}.{self.room.name}_slab_c"]
        outdoor_c = self.forecasts["outdoor_temperature_c"]
        found = []
        for t, end in enumerate(self.plan.horizon.ends):
            low_c = room.comfort.at(end).low_c
            loss_kw = room.outside_kw_per_k * (low_c - outdoor_c[t]) - room.internal_gain_kw
            slab_low_c = low_c + max(0.0, loss_kw) / room.slab_to_air_kw_per_k
            stored_kwh = room.air_kwh_per_k * (self.air_c[t] - low_c) + room.slab_kwh_per_k * (slab_c[t] - slab_low_c)
            found.append(max(0.0, stored_kwh))
        return tuple(found)

    def without(self, steps: range) -> MadeUp:
        """The cheapest way to make up for not heating in some steps."""
        last = self.plan.horizon.steps - 1
        value = heat_kwh_value(self.forecasts)
        options = [Option(last, self.above_floor_kwh[last], value, "keep", value)]
        for t in range(steps.stop, last + 1):
            free_kwh = (self.room.relay_kw - self.heat_kw[t]) * self.plan.horizon.step_h[t]
            if free_kwh > 0:
                options.append(Option(t, free_kwh, self.price(t), "heat", self.price(t)))
        return make_up({t: self.heat_kwh(t) for t in steps}, self.above_floor_kwh, options, self.keeps)

    def mean_price(self, steps: Sequence[int]) -> float | None:
        """What its heat costs in some steps; None if there is none."""
        total_kwh = sum(self.heat_kwh(t) for t in steps)
        if total_kwh < HEATING_SHARE * self.room.relay_kw:
            return None
        return sum(self.heat_kwh(t) * self.price(t) for t in steps) / total_kwh


def room_reasons(plan: Plan, device: str, spec: HeatingSpec, prices: Prices, words: Words) -> dict[str, list[Reason]]:
    """Reasons by `<device>.<room>_relay`, for what is worth telling."""
    found = {}
    for room in spec.rooms:
        if f"{device}.{room.name}_kw" not in plan.dispatch:
            continue
        book = RoomBook(plan, prices.forecasts, device, room, prices)
        reasons = list(_reasons(book, words))
        if reasons:
            found[f"{device}.{room.name}_relay"] = reasons
    return found


def _reasons(book: RoomBook, words: Words) -> Iterator[Reason]:
    horizon = book.plan.horizon
    for heats, steps in heat_runs(book):
        told = _heating(book, steps, words) if heats else _coasting(book, steps, words)
        if told is not None:
            yield Reason(*told, horizon.starts[steps[0]], horizon.ends[steps[-1]])


def heat_runs(book: RoomBook) -> list[tuple[bool, range]]:
    """Runs of heating (with the pauses of a cycling relay) and of not heating."""
    step_h = book.plan.horizon.step_h
    edges: list[tuple[bool, range]] = []
    for t, kw in enumerate(book.heat_kw):
        heats = kw > HEATING_SHARE * book.room.relay_kw
        if edges and edges[-1][0] == heats:
            edges[-1] = (heats, range(edges[-1][1].start, t + 1))
        else:
            edges.append((heats, range(t, t + 1)))
    merged: list[tuple[bool, range]] = []
    for i, (heats, steps) in enumerate(edges):
        pause = not heats and 0 < i < len(edges) - 1 and sum(step_h[t] for t in steps) <= BRIDGED_H
        if merged and merged[-1][0] and (heats or pause):
            merged[-1] = (True, range(merged[-1][1].start, steps.stop))
        else:
            merged.append((heats, steps))
    return merged


def _heating(book: RoomBook, steps: range, words: Words) -> tuple[str, float | None] | None:
    heat_kwh = sum(book.heat_kwh(t) for t in steps)
    paid = book.mean_price(steps)
    if paid is None:
        return None
    without = book.without(steps)
    span = words.span(steps[0], steps[-1])
    if without.missing_kwh > NEEDED_SHARE * heat_kwh:
        low_c = min(book.room.comfort.at(book.plan.horizon.ends[t]).low_c for t in steps)
        return f"heating {span} at {price(paid)}: needed for the comfort band, at least {low_c:g} °C", None
    saves = without.cost - paid * heat_kwh
    heated = [one for one in without.taken if one.option.kind == "heat"]
    later_kwh = sum(one.kwh for one in heated)
    if saves < NOTABLE_MONEY:
        return None
    if paid < 0:
        return f"heating {span} at {price(paid)}: drawing is paid for, saves {words.money(saves)}", saves
    if not heated:
        return f"heating {span} at {price(paid)}: the heat is worth more at the end of the horizon", saves
    later = sum(one.option.price_per_kwh * one.kwh for one in heated) / later_kwh
    when = words.spans(one.option.t for one in heated)
    text = f"pre-heating {span} at {price(paid)}: avoids {price(later)} at {when}"
    return f"{text}, saves {words.money(saves)} after losses", saves


def _coasting(book: RoomBook, steps: range, words: Words) -> tuple[str, float | None] | None:
    """Against heating through these hours as much as the room is heated around them."""
    horizon = book.plan.horizon
    length_h = sum(horizon.step_h[t] for t in steps)
    near = [t for t in range(horizon.steps) if _apart_h(book.plan, t, steps) <= NEARBY_H]
    around = [t for t in near if t not in steps]
    replaced = book.mean_price(around)
    if length_h < COAST_H or replaced is None:
        return None
    mean_kw = sum(book.heat_kwh(t) for t in near) / sum(horizon.step_h[t] for t in near)
    spared = sum(book.price(t) * horizon.step_h[t] for t in steps) / length_h
    saves = mean_kw * length_h * (spared - replaced)
    if spared < DEARER * replaced or saves < NOTABLE_MONEY:
        return None
    text = f"coasting {words.span(steps[0], steps[-1])} at {price(spared)}: its heat costs {price(replaced)} around it"
    return f"{text}, saves {words.money(saves)}", saves


def _apart_h(plan: Plan, t: int, steps: range) -> float:
    """Hours between a step and a run."""
    starts, ends = plan.horizon.starts, plan.horizon.ends
    gap = max((starts[t] - ends[steps[-1]]).total_seconds(), (starts[steps[0]] - ends[t]).total_seconds(), 0.0)
    return gap / 3600

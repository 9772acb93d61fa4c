"""What another choice would cost: the house is planned again with that choice held."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pems_core.domain import Forecasts, HeatingSpec, HybridInverterSpec, NoPlan, Override, Plan, SiteState, Value
from pems_core.planning.planner import PlanOptions, solve_house
from pems_core.planning.site import PlannedHouse
from pems_core.planning.solvers import Solver
from pems_core.protocols import Device

from .prices import FLOWING_KW
from .words import Words

MODES = ("load_first", "battery_first", "grid_first")
ROOMS_ASKED = 2
"""The rooms with the largest relays; each question is one more plan."""
LONGEST = timedelta(hours=1)
"""For which a relay is held otherwise."""
LATER = timedelta(hours=1)
"""By which grid charging is put off to find its next best start."""
BY = "explanation"


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another choice, and how much more it costs than the plan [currency]."""

    device: str
    text: str
    costs: float
    put_off: bool = False
    """It is the next best start of the first grid charging."""


@dataclass(frozen=True)
class Asked:
    """A plan and what it was made from, so that the same question can be asked with a choice held."""

    house: PlannedHouse
    state: SiteState
    forecasts: Forecasts
    plan: Plan
    solver: Solver
    options: PlanOptions

    def again(self, pins: Sequence[Override]) -> Plan:
        """The best plan that obeys some pins.

        :raises NoPlan: if there is none in time.
        """
        return solve_house(self.house, pinned(self.state, pins), self.forecasts, self.solver, self.options.unproven)


def pinned(state: SiteState, pins: Sequence[Override]) -> SiteState:
    """The same state with further overrides; they win over those in force."""
    return replace(state, overrides=(*state.overrides, *pins))


def cost_of_alternative(
    house: PlannedHouse,
    state: SiteState,
    forecasts: Forecasts,
    plan: Plan,
    pins: Sequence[Override],
    solver: Solver,
    options: PlanOptions,
) -> float:
    """How much more than `plan` the best plan costs that obeys some pins [currency].

    Both costs are within the solver's gap of the best, and relays are rounded, so a choice that matters little may
    come out slightly below zero.

    :param pins: controls to hold, such as `mode`, `battery_charge_grid`, `<room>_relay`; each for its own time.
    :raises NoPlan: if no plan can obey them in time.
    """
    return Asked(house, state, forecasts, plan, solver, options).again(pins).cost - plan.cost


def alternatives(asked: Asked, words: Words) -> list[Alternative]:
    """Other choices for now, and a later start of the first grid charging, each with its price.

    Only plans of a solver can be compared. A choice that no plan can obey is left out.
    """
    found: list[Alternative] = []
    if asked.plan.bound is None:
        return found
    for device in asked.house.devices:
        if device.name not in asked.state.devices:
            continue
        for text, pins in _choices(asked, device, words):
            try:
                other = asked.again(pins)
            except NoPlan:
                continue
            told = text or _next_start(other, asked.plan, device.name, words)
            if told:
                found.append(Alternative(device.name, told, other.cost - asked.plan.cost, put_off=not text))
    return found


def with_next_best(plan: Plan, others: Sequence[Alternative], words: Words) -> Plan:
    """The explained plan, whose first grid charging also tells what the next best start costs."""
    reasons = dict(plan.reasons)
    for other in others:
        first = first_grid_charging(plan, other.device) if other.put_off else None
        if first is None:
            continue
        start = plan.horizon.starts[first]
        more = f"; {other.text.partition(': ')[2]} costs {words.money(other.costs)} more"
        reasons[other.device] = [
            replace(reason, text=reason.text + more) if reason.holds(start) else reason
            for reason in reasons.get(other.device, ())
        ]
    return replace(plan, reasons=reasons)


def _choices(asked: Asked, device: Device, words: Words) -> Iterator[tuple[str, list[Override]]]:
    equipment = device.equipment
    if isinstance(equipment, HybridInverterSpec) and equipment.battery is not None:
        yield from _modes(asked.plan, device, words)
        first = first_grid_charging(asked.plan, device.name)
        if first is not None:
            until = asked.plan.horizon.starts[first] + LATER
            yield "", [_pin(asked.plan, device.name, "battery_charge_grid", False, until)]
    elif isinstance(equipment, HeatingSpec):
        yield from _relays(asked.plan, device, equipment, words)


def _modes(plan: Plan, device: Device, words: Words) -> Iterator[tuple[str, list[Override]]]:
    modes = plan.modes[device.name]
    last = 0
    while last + 1 < plan.binary_steps and modes[last + 1] == modes[0]:
        last += 1
    now = device.settings(plan, 0).get("mode")
    for mode in MODES:
        if mode != now:
            pin = _pin(plan, device.name, "mode", mode, plan.horizon.ends[last])
            yield f"{mode} {words.span(0, last)} instead of {modes[0]}", [pin]


def _relays(plan: Plan, device: Device, spec: HeatingSpec, words: Words) -> Iterator[tuple[str, list[Override]]]:
    horizon = plan.horizon
    rooms = [room for room in spec.rooms if f"{device.name}.{room.name}_kw" in plan.dispatch]
    last = max(0, min(horizon.steps_before(horizon.start + LONGEST), plan.binary_steps) - 1)
    for room in sorted(rooms, key=lambda room: -room.relay_kw)[:ROOMS_ASKED]:
        on = plan.dispatch[f"{device.name}.{room.name}_kw"][0] > room.relay_kw / 2
        pin = _pin(plan, device.name, f"{room.name}_relay", not on, horizon.ends[last])
        yield f"{room.name}_relay {'off' if on else 'on'} {words.span(0, last)}", [pin]


def first_grid_charging(plan: Plan, device: str) -> int | None:
    """The first step in which a battery is charged from the grid."""
    return next((t for t, kw in enumerate(plan.dispatch[f"{device}.from_house_kw"]) if kw > FLOWING_KW), None)


def _next_start(other: Plan, plan: Plan, device: str, words: Words) -> str:
    put_off, planned = first_grid_charging(other, device), first_grid_charging(plan, device)
    assert planned is not None
    begins = f"grid charging from {words.clock(planned)}"
    return f"{begins}: next best start {words.clock(put_off)}" if put_off is not None else f"{begins}: none at all"


def _pin(plan: Plan, device: str, control: str, value: Value, until: datetime) -> Override:
    return Override(device, control, value, plan.horizon.start, until, BY)

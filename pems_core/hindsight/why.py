"""Why something was done, and what something else would have cost."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import perf_counter

from pems_core.domain import ConfigError, ControlKind, Decision, HybridInverterSpec, NoPlan, Override, Plan, Value
from pems_core.planning.explain import Asked, Words, explain
from pems_core.planning.solvers import solver_named
from pems_core.recording.ledger.ledger import Cycle
from pems_core.site import HouseFile

from .replay import options_of, planned_house

BY = "pems explain"
HELD = timedelta(hours=1)
"""For which another choice is held, unless it is told otherwise."""
ENOUGH_S = 1.2
"""After so long no further question is asked: each is one more plan."""
MODES = ("load_first", "battery_first", "grid_first")


@dataclass(frozen=True, slots=True)
class Instead:
    """Another choice."""

    device: str
    control: str
    value: Value
    held: timedelta = HELD


@dataclass(frozen=True, slots=True)
class Answer:
    """What another choice would have cost more than the plan, with the best of all else [currency]."""

    instead: Instead
    costs: float | None
    """None: no plan can obey it."""


@dataclass(frozen=True)
class Explained:
    """One moment."""

    at: datetime
    cycle: Cycle
    plan: Plan
    """With its reasons."""
    in_force: Sequence[Decision]
    answers: Sequence[Answer]
    seconds: float


def explained(cycle: Cycle, house: HouseFile, at: datetime, instead: Sequence[Instead] = ()) -> Explained:
    """Why what was in force at an instant was so, and what other choices would have cost at the cycle before it.

    :param house: as it was then.
    :param instead: choices to be priced; none: other modes of the inverter, as many as there is time for.
    :raises ConfigError: if a choice names a device, control or value that the house has not.
    """
    began, site = perf_counter(), house.site
    _check(house, instead)
    plan = cycle.plan
    if not plan.reasons:
        plan = explain(plan, house.house.devices, cycle.state, cycle.forecasts, site.timezone, site.currency)
    in_force = [decision for decision in cycle.decisions if decision.holds(at)]
    answers: list[Answer] = []
    options = options_of(cycle)
    if plan.bound is not None:
        with closing(solver_named(options.solver)) as solver:
            asked = Asked(planned_house(cycle, house), cycle.state, cycle.forecasts, plan, solver, options)
            for choice in instead or _other_modes(house, in_force):
                if not instead and answers and perf_counter() - began > ENOUGH_S:
                    break
                answers.append(Answer(choice, price(asked, choice)))
    return Explained(at, cycle, replace(plan), in_force, answers, perf_counter() - began)


def price(asked: Asked, choice: Instead) -> float | None:
    """What a choice from the start of the plan on costs more than the plan [currency].

    Who may choose freely cannot pay more: what lies below zero is the solver's gap and the rounding of relays.
    """
    start = asked.plan.horizon.start
    pin = Override(choice.device, choice.control, choice.value, start, start + choice.held, BY)
    try:
        return asked.again([pin]).cost - asked.plan.cost
    except NoPlan:
        return None


def words_of(choice: Instead, words: Words) -> str:
    """A choice as a person would say it."""
    horizon = words.horizon
    last = max(0, horizon.steps_before(horizon.start + choice.held) - 1)
    value = ("on" if choice.value else "off") if isinstance(choice.value, bool) else f"{choice.value}"
    return f"{choice.control} {value} {words.span(0, last)}"


def choice_from(text: str, house: HouseFile, held: timedelta = HELD) -> Instead:
    """A choice from `device.control=value`.

    :raises ConfigError: with place, found and allowed.
    """
    place, equals, value = text.partition("=")
    device_name, dot, control_name = place.partition(".")
    if not (equals and dot):
        raise ConfigError(
            [f"--instead: found {text!r}; allowed: device.control=value, such as inverter.mode=grid_first"]
        )
    device = next((d for d in house.house.devices if d.name == device_name), None)
    if device is None:
        known = ", ".join(d.name for d in house.house.devices)
        raise ConfigError([f"--instead: found device {device_name!r}; allowed: {known}"])
    control = next((c for c in device.controls() if c.name == control_name), None)
    if control is None:
        known = ", ".join(c.name for c in device.controls())
        raise ConfigError([f"--instead: found control {control_name!r} of {device_name}; allowed: {known}"])
    found: Value = value
    if control.kind is ControlKind.SWITCH:
        found = {"on": True, "true": True, "off": False, "false": False}.get(value, value)
    elif control.kind is ControlKind.NUMBER:
        try:
            found = float(value)
        except ValueError:
            found = value
    if fault := control.fault(found):
        raise ConfigError([f"--instead: {device_name}: {fault}"])
    return Instead(device_name, control_name, found, held)


def _check(house: HouseFile, instead: Sequence[Instead]) -> None:
    known = {(d.name, control.name) for d in house.house.devices for control in d.controls()}
    faults = [
        f"{choice.device}.{choice.control}: found; allowed: {', '.join(sorted('.'.join(pair) for pair in known))}"
        for choice in instead
        if (choice.device, choice.control) not in known
    ]
    if faults:
        raise ConfigError(faults)


def _other_modes(house: HouseFile, in_force: Sequence[Decision]) -> list[Instead]:
    """The other modes of each inverter with a battery, for the time for which the present one was to hold."""
    found = []
    for device in house.house.devices:
        spec = device.equipment
        if not isinstance(spec, HybridInverterSpec) or spec.battery is None:
            continue
        now = next((d for d in in_force if (d.device, d.control) == (device.name, "mode")), None)
        if now is not None:
            found += [Instead(device.name, "mode", mode) for mode in MODES if mode != now.value]
    return found

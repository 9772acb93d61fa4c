"""Why something was done, and what something else would have cost."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import perf_counter

from pems_core.domain import ConfigError, ControlKind, Decision, HybridInverterSpec, NoPlan, Override, Plan, Rung, Value
from pems_core.planning.explain import Asked, Words, explain
from pems_core.planning.solvers import solver_named
from pems_core.recording.ledger.ledger import Cycle
from pems_core.site import HouseFile

from .replay import options_of, planned_house

BY = "pems explain"
HELD = timedelta(hours=1)
"""For which another choice is held, unless it is told otherwise."""
WITHIN_S = 2.2
"""From when somebody asked; in which questions are answered that nobody asked by name: each is one more plan."""
LEAST_S = 0.8
"""A search for one more plan needs so long; with less left it is not begun."""
FIRST_S = 5.0
"""The first is given so long whatever is left: on a busy machine a late answer is better than none."""
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
    """None: there is no answer, and `note` says why."""
    note: str = ""
    """What limits the answer, such as that time ended the search."""


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


def explained(
    cycle: Cycle, house: HouseFile, at: datetime, instead: Sequence[Instead] = (), waited_s: float = 0.0
) -> Explained:
    """Why what was in force at an instant was so, and what other choices would have cost at the cycle before it.

    :param house: as it was then.
    :param instead: choices to be priced; none: other modes of the inverter, as many as there is time for.
    :param waited_s: how long somebody has waited for the answer already, such as for the start of the program.
    :raises ConfigError: if a choice names a device, control or value that the house has not.
    """
    began, site = perf_counter(), house.site
    _check(house, instead)
    plan = cycle.plan
    if not plan.reasons:
        # Rules know of many hours what they decide for one step.
        whole = plan.horizon == cycle.forecasts.horizon
        known = cycle.forecasts if whole else cycle.forecasts.onto(plan.horizon)
        plan = explain(plan, house.house.devices, cycle.state, known, site.timezone, site.currency)
    in_force = [decision for decision in cycle.decisions if decision.holds(at)]
    answers: list[Answer] = []
    options = options_of(cycle)
    if plan.bound is not None:
        # In this process: starting another one takes as long as a plan, and nothing here waits for its end.
        with closing(solver_named(options.solver, guarded=False)) as solver:
            asked = Asked(planned_house(cycle, house), cycle.state, cycle.forecasts, plan, solver, options)
            for choice in instead or _other_modes(house, in_force):
                left_s = WITHIN_S - (0.0 if instead else waited_s + perf_counter() - began)
                if answers and left_s < LEAST_S:
                    break
                answers.append(price(asked, choice, max(left_s, LEAST_S if answers else FIRST_S)))
    return Explained(at, cycle, replace(plan), in_force, answers, perf_counter() - began)


def price(asked: Asked, choice: Instead, within_s: float) -> Answer:
    """What a choice from the start of the plan on costs more than the plan.

    Who may choose freely cannot pay more: what lies below zero is the solver's gap and the rounding of relays.

    :param within_s: when the search for it ends; what was found by then may not be the best.
    """
    start = asked.plan.horizon.start
    pin = Override(choice.device, choice.control, choice.value, start, start + choice.held, BY)
    limits = asked.options.limits
    hurried = replace(limits, time_limit_s=min(within_s, limits.time_limit_s))
    try:
        other = replace(asked, options=replace(asked.options, limits=hurried)).again([pin])
    except NoPlan as fault:
        return Answer(choice, None, str(fault))
    ended = other.rung is Rung.INCUMBENT
    return Answer(choice, other.cost - asked.plan.cost, f"at most: ended after {within_s:.1f} s" if ended else "")


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

"""The promises that every device keeps, as checks that a plugin's tests run over their own device:

    from pems_core.testing import DEVICE_CONTRACT, DeviceCase

    @pytest.mark.parametrize("promise", DEVICE_CONTRACT, ids=lambda promise: promise.__name__)
    def test_pump_keeps(promise):
        promise(DeviceCase(Pump("pump"), {"pump/temperature_c": (21.0, "°C")}))

A promise raises `ContractBroken` with what was found and what is allowed.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from math import isfinite

from pems_core.domain import (
    BadSetting,
    Command,
    ControlKind,
    NoPlan,
    Plan,
    Reading,
    Readings,
    SiteState,
    StaleReading,
    Step,
    Value,
)
from pems_core.protocols import Device

from .extremes import extreme_settings, forbidden_settings, spoiled
from .small_house import EXTREME_PRICES, NOW, extreme_steps, plan_alone

VALID_FOR = timedelta(minutes=15)


class ContractBroken(AssertionError):
    """A device does not do what every device promises."""


@dataclass(frozen=True)
class DeviceCase:
    """A device, and readings from which it can be planned."""

    device: Device
    points: Mapping[str, tuple[Value, str]]
    """Value and unit by point; leave out what it can do without. Spoiled all at once, it must refuse them."""
    now: datetime = NOW

    @property
    def readings(self) -> Readings:
        heard_at = self.now - timedelta(seconds=1)
        points = {name: Reading(value, unit, heard_at, heard_at) for name, (value, unit) in self.points.items()}
        return Readings(self.now, points)

    @cached_property
    def site_state(self) -> SiteState:
        """A house with nothing but this device, as its readings say."""
        return SiteState(self.now, {self.device.name: self.device.state(self.readings)})

    @cached_property
    def plans(self) -> tuple[Plan, ...]:
        """Plans of the device alone in a small house, one for each extreme course of prices."""
        return tuple(plan_alone(self.device, self.site_state, prices) for prices in EXTREME_PRICES)

    def encode(self, settings: Mapping[str, Value]) -> list[Command]:
        return list(self.device.encode(settings, self.now, self.now + VALID_FOR, self.site_state))

    def say(self, what: str) -> ContractBroken:
        return ContractBroken(f"{self.device.name}: {what}")


def gives_its_state_from_fresh_readings(case: DeviceCase) -> None:
    """The same readings give the same state."""
    first, second = case.device.state(case.readings), case.device.state(case.readings)
    if first != second:
        raise case.say(f"found {first} and then {second} from the same readings; allowed: one state")


def refuses_readings_it_cannot_trust(case: DeviceCase) -> None:
    """Readings that are stale, missing, suspect, in another unit or not a number raise StaleReading."""
    if not case.points:
        return
    for how, readings in spoiled(case.readings):
        try:
            state = case.device.state(readings)
        except StaleReading as refused:
            if not any(point in str(refused) for point in case.points):
                raise case.say(
                    f"found {str(refused)!r} for {how} readings; allowed: an error that names the point"
                ) from refused
        else:
            raise case.say(f"found {state} from {how} readings; allowed: StaleReading")


def has_a_catalogue_without_doubt(case: DeviceCase) -> None:
    """Control names are unique, numbers have a unit and a range, choices have options."""
    names = [control.name for control in case.device.controls()]
    if len(set(names)) < len(names):
        raise case.say(f"found controls {', '.join(names)}; allowed: each name once")
    for control in case.device.controls():
        if control.kind is ControlKind.NUMBER and (
            not control.unit or control.lowest is None or control.highest is None
        ):
            raise case.say(f"found {control}; allowed: a number with unit, lowest and highest")
        if control.kind is ControlKind.CHOICE and not control.options:
            raise case.say(f"found {control}; allowed: a choice with options")


def can_be_planned_alone(case: DeviceCase) -> None:
    """Its part of the model is feasible with nothing but a grid connection and a base load."""
    try:
        plans = case.plans
    except NoPlan as none:
        raise case.say(f"found no plan ({none}); allowed: a part that can always be planned") from none
    for plan in plans:
        for name, values in {**plan.dispatch, **plan.levels}.items():
            if any(not isfinite(value) for value in values):
                raise case.say(f"found {name} = {values} in its plan; allowed: finite numbers")


def sets_only_what_its_catalogue_allows(case: DeviceCase) -> None:
    """Every setting that brings a near step of a plan about is in the catalogue and allowed."""
    catalogue = {control.name: control for control in case.device.controls()}
    for settings in _planned_settings(case):
        for name, value in settings.items():
            fault = catalogue[name].fault(value) if name in catalogue else f"{name} is in no catalogue"
            if fault is not None:
                raise case.say(f"found a setting with the fault: {fault}")


def has_commands_for_every_plan(case: DeviceCase) -> None:
    """The settings of each near step can be told, with ids that follow from what is told."""
    for settings in _planned_settings(case):
        _check_commands(case, settings)


def has_commands_for_extreme_settings(case: DeviceCase) -> None:
    """The ends of each range, and each option, can be told."""
    for settings in extreme_settings(case.device):
        _check_commands(case, settings)


def refuses_settings_that_are_not_allowed(case: DeviceCase) -> None:
    """Unknown controls and forbidden values raise BadSetting, which names the control."""
    for name, value in forbidden_settings(case.device):
        try:
            case.encode({name: value})
        except BadSetting as refused:
            if name not in str(refused):
                raise case.say(
                    f"found {str(refused)!r} for {name} = {value!r}; allowed: an error that names it"
                ) from refused
        else:
            raise case.say(f"found commands for {name} = {value!r}; allowed: BadSetting")


def can_be_given_back(case: DeviceCase) -> None:
    """`release` says something, always the same, and does not expire."""
    first, second = list(case.device.release()), list(case.device.release())
    if not first and case.device.controls():
        raise case.say("found no commands to release it; allowed: at least one, as it has controls")
    if first != second:
        raise case.say("found two releases that differ; allowed: the same commands with the same ids")
    for command in first:
        if command.expires_at < datetime.max.replace(tzinfo=UTC):
            raise case.say(f"found a release that expires at {command.expires_at}; allowed: one that never does")


def has_no_negative_flows(case: DeviceCase) -> None:
    """Whatever it is told, and whatever the rest of the house does, flows are finite and not negative."""
    state = case.site_state.devices[case.device.name]
    for settings in [{}, *extreme_settings(case.device)]:
        for step in extreme_steps(case.now):
            _check_flows(case, settings, state, step)


DEVICE_CONTRACT: tuple[Callable[[DeviceCase], None], ...] = (
    gives_its_state_from_fresh_readings,
    refuses_readings_it_cannot_trust,
    has_a_catalogue_without_doubt,
    can_be_planned_alone,
    sets_only_what_its_catalogue_allows,
    has_commands_for_every_plan,
    has_commands_for_extreme_settings,
    refuses_settings_that_are_not_allowed,
    can_be_given_back,
    has_no_negative_flows,
)
"""All promises; each takes a case and raises ContractBroken."""


def _planned_settings(case: DeviceCase) -> Iterator[Mapping[str, Value]]:
    for plan in case.plans:
        for t in range(plan.binary_steps):
            yield case.device.settings(plan, t)


def _check_commands(case: DeviceCase, settings: Mapping[str, Value]) -> None:
    commands, again = case.encode(settings), case.encode(settings)
    controls = {control.name for control in case.device.controls()}
    if commands != again:
        raise case.say(f"found other commands for {settings} the second time; allowed: the same with the same ids")
    if settings and not commands:
        raise case.say(f"found no commands for {settings}; allowed: at least one")
    if len({command.id for command in commands}) < len(commands):
        raise case.say(f"found an id twice in the commands for {settings}; allowed: each once")
    for command in commands:
        if command.device != case.device.name or command.control not in controls:
            raise case.say(f"found {command}; allowed: its own name and a control of its catalogue")
        if not case.now < command.expires_at <= case.now + VALID_FOR:
            raise case.say(f"found {command}; allowed: an expiry after now and not after the settings end")


def _check_flows(case: DeviceCase, settings: Mapping[str, Value], state: object, step: Step) -> None:
    done = case.device.execute(settings, state, step)
    for flow, kw in done.flows.items():
        if not isfinite(kw) or kw < -1e-9:
            raise case.say(f"found {flow} = {kw} kW with {settings} in {step}; allowed: finite, at least 0")
    if type(done.state) is not type(state):
        raise case.say(f"found a {type(done.state).__name__} after a step; allowed: a {type(state).__name__}")

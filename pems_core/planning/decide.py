"""From a plan to what each device is told, and when."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pems_core.domain import Control, Decision, Plan, Reason, Value
from pems_core.protocols import Device

NO_REASON = Reason("")


def decisions(plan: Plan, devices: Sequence[Device], steps: int | None = None) -> list[Decision]:
    """What each control is set to, and until when; neighbours that say the same are one decision.

    Devices that balance the house come first. A control that a device leaves to itself has no decision for that
    time. A control with a minimum time still gets its decisions from the plan as it is: the plan keeps those times.

    :param steps: how many of the plan's first steps; those in which switches are on or off, if it is not told.
        Steps that begin after the plan's `valid_until` are always left out.
    """
    count = min(
        plan.binary_steps if steps is None else steps,
        plan.horizon.steps_before(plan.valid_until),
    )
    found: list[Decision] = []
    for device in sorted(devices, key=lambda device: (not device.balances, device.name)):
        if not plan.knows(device.name):
            continue
        catalogue = {control.name: control for control in device.controls()}
        settings = [device.settings(plan, t) for t in range(count)]
        for name, control in catalogue.items():
            found += _of_control(plan, device, control, [step.get(name) for step in settings])
    return found


def reason_for(plan: Plan, device: str, control: str, decision: Decision) -> Reason:
    """The reason that holds when a decision begins: of the control, of the relay beside a setpoint, of the device."""
    for name in (f"{device}.{control}", f"{device}.{control.removesuffix('_setpoint_c')}_relay", device):
        for reason in plan.reasons.get(name, ()):
            if reason.holds(decision.valid_from):
                return reason
    return NO_REASON


def _of_control(plan: Plan, device: Device, control: Control, values: Sequence[Value | None]) -> Iterator[Decision]:
    starts, ends = plan.horizon.starts, plan.horizon.ends
    first = 0
    for t in range(1, len(values) + 1):
        if t < len(values) and _same(values[t], values[first]):
            continue
        value = values[first]
        if value is not None:
            until = min(ends[t - 1], plan.valid_until)
            decision = Decision(
                device.name, control.name, value, control.unit, starts[first], until, NO_REASON, str(plan.rung)
            )
            yield replace(decision, reason=reason_for(plan, device.name, control.name, decision))
        first = t


def _same(a: Value | None, b: Value | None) -> bool:
    return type(a) is type(b) and a == b

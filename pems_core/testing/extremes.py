"""What a device meets at worst: the ends of its catalogue, forbidden values, and readings that cannot be trusted."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from math import nan

from pems_core.domain import Control, ControlKind, Quality, Reading, Readings, Value
from pems_core.protocols import Device

LONG_AGO = timedelta(days=1)


def extreme_settings(device: Device) -> Iterator[dict[str, Value]]:
    """All controls at their low ends, and at their high ends, for each option of each choice."""
    controls = device.controls()
    low = {control.name: _ends(control)[0] for control in controls}
    high = {control.name: _ends(control)[-1] for control in controls}
    choices = [control for control in controls if control.kind is ControlKind.CHOICE]
    for base in (low, high):
        yield base
        for choice in choices:
            for option in choice.options:
                yield base | {choice.name: option}


def forbidden_settings(device: Device) -> Iterator[tuple[str, Value]]:
    """Controls with values that their catalogue does not allow, one at a time."""
    yield "no_such_control", 1.0
    for control in device.controls():
        if control.kind is not ControlKind.NUMBER:
            yield control.name, "no such value"
            continue
        yield control.name, nan
        if control.lowest is not None:
            yield control.name, control.lowest - 1.0
        if control.highest is not None:
            yield control.name, control.highest + 1.0


def spoiled(readings: Readings) -> Iterator[tuple[str, Readings]]:
    """The readings with all points spoiled in one way, with the name of that way."""

    def with_all(change: Callable[[Reading], Reading]) -> Readings:
        return replace(readings, points={name: change(reading) for name, reading in readings.points.items()})

    yield "missing", replace(readings, points={})
    yield "stale", with_all(lambda reading: replace(reading, measured_at=reading.measured_at - LONG_AGO))
    yield "suspect", with_all(lambda reading: replace(reading, quality=Quality.SUSPECT))
    yield "wrong unit", with_all(lambda reading: replace(reading, unit="parsec"))
    yield "not a number", with_all(lambda reading: replace(reading, value=nan))
    yield "text", with_all(lambda reading: replace(reading, value="unknown"))


def _ends(control: Control) -> tuple[Value, ...]:
    if control.kind is ControlKind.SWITCH:
        return False, True
    if control.kind is ControlKind.CHOICE:
        return control.options
    return float(control.lowest or 0.0), float(control.highest or 0.0)

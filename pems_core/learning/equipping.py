"""The devices of a house with the numbers that were identified."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pandas as pd

from pems_core.domain import Equipment, HeatingSpec, HybridInverterSpec
from pems_core.protocols import Device, Identifiable

from . import battery_model, rooms_model
from .battery_model import BatteryModel, Wanted
from .device_models import DeviceModel
from .rooms_model import RoomsModel


def nothing_wanted(since: datetime, until: datetime) -> "pd.Series[float]":
    """Of a battery whose charge nobody asked for."""
    return pd.Series(dtype=float)


def device_models(
    devices: Sequence[Device], timezone: str, wanted: Callable[[str], Wanted] = lambda _: nothing_wanted
) -> Sequence[DeviceModel]:
    """What can be identified of a house; called before a device is equipped, as its numbers are those of the file.

    :param wanted: by inverter: what charge was asked for.
    """
    found: list[DeviceModel] = []
    for device in devices:
        if not isinstance(device, Identifiable):
            continue
        spec = device.equipment
        if isinstance(spec, HeatingSpec) and spec.rooms:
            found.append(RoomsModel(device.name, spec, timezone))
        elif isinstance(spec, HybridInverterSpec) and spec.battery is not None:
            found.append(BatteryModel(device.name, spec, timezone, wanted(device.name)))
    return found


def identified_numbers(spec: Equipment) -> Mapping[str, Any]:
    """What may be identified of a device, in plain data; empty for one of which nothing is."""
    if isinstance(spec, HeatingSpec):
        return rooms_model.numbers_of(spec)
    if isinstance(spec, HybridInverterSpec) and spec.battery is not None:
        return battery_model.numbers_of(spec.battery)
    return {}


def equip(devices: Sequence[Device], numbers: Mapping[str, Mapping[str, Any]]) -> None:
    """Give devices, by name, the numbers that `identified_numbers` told of them."""
    for device in devices:
        if device.name not in numbers or not isinstance(device, Identifiable):
            continue
        spec = device.equipment
        if isinstance(spec, HeatingSpec):
            device.equip(rooms_model.with_numbers(spec, numbers[device.name]))
        elif isinstance(spec, HybridInverterSpec):
            device.equip(battery_model.with_numbers(spec, numbers[device.name]))


@contextmanager
def equipped(devices: Sequence[Device], numbers: Mapping[str, Mapping[str, Any]]) -> Iterator[None]:
    """Devices with these numbers for a while, and then with those that they had."""
    before = [(device, device.equipment) for device in devices if isinstance(device, Identifiable)]
    equip(devices, numbers)
    try:
        yield
    finally:
        for device, spec in before:
            device.equip(spec)

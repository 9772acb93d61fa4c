"""Devices of no brand: each control is one message, an inverter's mode is the last one."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta

from pems_core.devices import HeatedRoomsDevice, HybridInverterDevice
from pems_core.devices.commands import Validity, mqtt_command, require_allowed
from pems_core.domain import (
    BatterySpec,
    BatteryState,
    ComfortBand,
    ComfortSchedule,
    Command,
    HeatingSpec,
    HeatingState,
    HybridInverterSpec,
    InverterState,
    RoomSpec,
    RoomState,
    SiteState,
    Value,
)

START = datetime(2025, 1, 15, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BATTERY = BatterySpec(capacity_kwh=10.0, charge_limit_kw=5.0, discharge_limit_kw=4.0, soc_min=0.2)
INVERTER = HybridInverterSpec(ac_limit_kw=8.0, grid_charge_limit_kw=6.0, battery=BATTERY)
COMFORT = ComfortSchedule(((time(0), ComfortBand(20.0, 19.0, 21.0)),), "Europe/Prague")


class PlainInverter(HybridInverterDevice):
    def encode(
        self, settings: Mapping[str, Value], valid_from: datetime, valid_until: datetime, state: SiteState
    ) -> Sequence[Command]:
        require_allowed(self.name, self.controls(), settings)
        return list(self._words(settings, Validity(valid_from, valid_until), valid_until))

    def release(self) -> Sequence[Command]:
        return list(self._words({}, Validity.release(), START))

    def _words(self, settings: Mapping[str, Value], validity: Validity, until: datetime) -> Iterator[Command]:
        names = sorted((control.name for control in self.controls()), key=lambda name: name == "mode")
        for name in names:
            value = settings.get(name, "auto")
            said = f"{value} until {until:%H:%M}" if name == "mode" and value != "auto" else str(value)
            yield mqtt_command(self.name, name, f"inverter/{name}", said, validity)


class PlainRooms(HeatedRoomsDevice):
    def encode(
        self, settings: Mapping[str, Value], valid_from: datetime, valid_until: datetime, state: SiteState
    ) -> Sequence[Command]:
        require_allowed(self.name, self.controls(), settings)
        return list(self._words(settings, Validity(valid_from, valid_until)))

    def release(self) -> Sequence[Command]:
        return list(self._words({}, Validity.release()))

    def _words(self, settings: Mapping[str, Value], validity: Validity) -> Iterator[Command]:
        for control in self.controls():
            said = str(settings.get(control.name, "auto"))
            yield mqtt_command(self.name, control.name, f"heating/{control.name}", said, validity)


def room(name: str, min_on: timedelta = timedelta(0), min_off: timedelta = timedelta(0)) -> RoomSpec:
    return RoomSpec(name, 2.0, COMFORT, 1.0, 2.0, 0.5, 0.1, min_on=min_on, min_off=min_off)


def inverter(spec: HybridInverterSpec = INVERTER) -> PlainInverter:
    return PlainInverter("inverter", spec)


def heating(*rooms: RoomSpec) -> PlainRooms:
    return PlainRooms("heating", HeatingSpec(rooms or (room("kitchen"), room("study")), 1.0, 10.0))


def battery_at(soc: float, **more: float) -> InverterState:
    return InverterState(BatteryState(soc, **more))  # type: ignore[arg-type]


def rooms_at(air_c: float = 20.0, **changes: RoomState) -> HeatingState:
    rooms = {"kitchen": RoomState(air_c, 22.0), "study": RoomState(air_c, 22.0)}
    return HeatingState(rooms | changes)

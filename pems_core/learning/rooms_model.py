"""Heated rooms as a model in versions."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar

import pandas as pd

from pems_core.domain import QUARTER, HeatingSpec, Learned, RoomSpec

from .device_models import Found, OfHouseFile, Telemetry
from .evidence import Compared
from .identify import Measured
from .rooms import GHI, OUTDOOR, PARAMETER, measured_rooms
from .rooms_guard import foreseen_errors, guarded_rooms

DAYS = 37.0
"""Thirty to learn from, and a week to check."""
NUMBERS = tuple(PARAMETER.values())


@dataclass(frozen=True)
class RoomsModel(OfHouseFile[HeatingSpec, Measured]):
    """The rooms of one heating device."""

    what: ClassVar[str] = "rooms"
    days: float = DAYS

    def measured(self, telemetry: Telemetry, since: datetime, until: datetime) -> Measured:
        """See `DeviceModel.measured`: quarter hours; weather as measured at the house, else as services said."""
        rooms = [room.name for room in self.configured.rooms]
        points = [f"{self.device}/{room}_{what}" for room in rooms for what in ("temperature_c", "relay")]
        said = {series: series.replace("site/", "weather/") for series in (OUTDOOR, GHI)}
        frame = telemetry([*points, *said, *said.values()], since, until)
        if len(frame):
            frame = frame.resample(pd.Timedelta(QUARTER)).mean()
        for measured, told in said.items():
            # A house without instruments of its own is planned by what services say of the weather, and known by it.
            frame[measured] = frame[measured].fillna(frame[told])
        return measured_rooms(frame, self.device, self.configured, self.timezone)

    def identify(self, measured: Measured, used: Mapping[str, Any] | None) -> Found:
        """See `DeviceModel.identify`."""
        found = guarded_rooms(self.configured, measured)
        against_used = self.against_used(found.spec, used, measured)
        won = bool(found.used) and (against_used is None or against_used.wins)
        kept = [f"{room}: {why}" for room, why in sorted(found.kept.items())]
        content = {
            "configured": numbers_of(self.configured),
            "numbers": numbers_of(found.spec),
            "used": list(found.used),
            "kept": kept,
            "learned": [str(number) for number in found.learned.numbers],
        }
        index = measured.air_c.index
        metrics = {"mae_k": found.house.mine, "mae_k of the house file": found.house.others}
        learned = Learned(content, index[0].to_pydatetime(), index[-1].to_pydatetime(), metrics)
        return Found(learned, found.house, against_used, won, self._said(found.house, against_used, found.used), kept)

    def _said(self, house: Compared, used: Compared | None, rooms: tuple[str, ...]) -> str:
        counted = f"{len(rooms)} of {len(self.configured.rooms)} rooms with identified numbers"
        beside = "" if used is None else f"; against the version in use {used}"
        if not rooms:
            return f"the house file keeps its numbers: identified ones foresee 24 h no better [K]: {house}"
        return f"{counted} foresee 24 h better than the house file [K]: {house}{beside}"

    def errors(self, spec: HeatingSpec, measured: Measured) -> list[float]:
        """Mean of all rooms over 24 h by day [K]."""
        found: list[float] = foreseen_errors(spec, measured).mean(axis=1).tolist()
        return found

    def numbers_of_file(self) -> Mapping[str, Any]:
        return numbers_of(self.configured)

    def with_numbers(self, numbers: Mapping[str, Any]) -> HeatingSpec:
        return with_numbers(self.configured, numbers)


def numbers_of(spec: HeatingSpec) -> dict[str, dict[str, Any]]:
    """The thermal numbers of each room."""
    return {room.name: _numbers(spec, room) for room in spec.rooms}


def _numbers(spec: HeatingSpec, room: RoomSpec) -> dict[str, Any]:
    names = [other.name for other in spec.rooms]
    later = names[names.index(room.name) + 1 :]
    beside = {other: g for other in later if (g := spec.conductance(room.name, other)) > 0}
    return {**{number: getattr(room, number) for number in NUMBERS}, "neighbours": beside}


def with_numbers(spec: HeatingSpec, numbers: Mapping[str, Mapping[str, Any]]) -> HeatingSpec:
    """The rooms with other thermal numbers; relays and comfort stay."""
    return replace(spec, rooms=tuple(replace(room, **numbers[room.name]) for room in spec.rooms))

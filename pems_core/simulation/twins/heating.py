"""Heated rooms with their relays, thermostats and people."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from pems_core.domain import ComfortSchedule, HeatingSpec, Value

from .clock import BLOCK, DAY_S, MINUTE_H, Array, Flags, Ints, seconds_of, wall_seconds
from .relay import RelayBank
from .rooms import ThermalTwin

HYSTERESIS_K = 0.3
OUTSIDE_BAND_K = 0.3
"""A room further than this outside its band counts as uncomfortable."""
GAIN_MINUTES = 5
"""Sun, weather and people change at most this often."""


@dataclass(frozen=True, slots=True)
class RoomComfort:
    """How a room did while somebody was to be comfortable in it."""

    outside_minutes: int
    """More than `OUTSIDE_BAND_K` outside the band."""
    occupied_minutes: int
    cold_minutes: int
    """Of these, those below the band: sun can overheat a room that nobody heats, cold is always a choice."""
    outside_kh: float
    """Temperature outside the band, from its edge on, over time [K·h]."""


class HeatingTwin:
    """All heated rooms of a house.

    A relay command rules while it is valid; otherwise the room's thermostat switches at `HYSTERESIS_K` around the
    setpoint in force: the commanded one while valid, else the schedule's.
    """

    def __init__(self, spec: HeatingSpec, start: datetime, outdoor_c: float, ghi_w_m2: float) -> None:
        """Rooms begin at the schedule's setpoint, slabs at what holds it in this mean weather.

        :param spec: the rooms as they really are.
        """
        rooms = spec.rooms
        self.names = tuple(room.name for room in rooms)
        self._spec = spec
        self._solar_m2 = np.array([room.solar_m2 for room in rooms], dtype=np.float64)
        self._internal_kw = np.array([room.internal_gain_kw for room in rooms], dtype=np.float64)
        self._outside = np.array([room.outside_kw_per_k for room in rooms], dtype=np.float64)
        self._relays = RelayBank(
            [room.relay_kw for room in rooms], [room.min_on for room in rooms], [room.min_off for room in rooms]
        )
        self.energy_kwh: Array = np.zeros(len(rooms))
        """What each heater has used since the start."""
        self._heater_kw: Array = np.zeros(len(rooms))
        self._occupied_minutes = np.zeros(len(rooms), dtype=np.int64)
        self._outside_minutes = np.zeros(len(rooms), dtype=np.int64)
        self._cold_minutes = np.zeros(len(rooms), dtype=np.int64)
        self._outside_kh: Array = np.zeros(len(rooms))
        self._trace: Array = np.zeros((BLOCK, len(rooms)))
        self._minute = self._counted = 0
        self.command({})
        self._begin_block(start)
        rest_kw = self._outside * outdoor_c + self._solar_m2 * ghi_w_m2 / 1000 + self._internal_kw
        self.thermal = ThermalTwin(spec, self._scheduled_c[0].copy(), rest_kw)

    def useful_heat_kwh(self, now: datetime, outdoor_c: float) -> float:
        """Heat in air and slabs, relative to 0 °C, up to what holds the top of the comfort band in this weather."""
        top_c = np.array([room.comfort.at(now).high_c for room in self._spec.rooms], dtype=np.float64)
        slab_to_air = np.array([room.slab_to_air_kw_per_k for room in self._spec.rooms], dtype=np.float64)
        slab_top_c = top_c + self._outside * np.maximum(0.0, top_c - outdoor_c) / slab_to_air
        return self.thermal.heat_up_to_kwh(top_c, slab_top_c)

    @property
    def relay_on(self) -> Flags:
        return self._relays.on

    def stand(self, room: int, *, on: bool) -> None:
        """Find a relay in a position that it has had for long; the thermostat goes on from there."""
        self._relays.on[room] = on

    def command(self, settings: Mapping[str, Value]) -> None:
        """All commands that hold from now on, by control; what is left out is under local control."""
        relays = [settings.get(f"{name}_relay") for name in self.names]
        setpoints = [settings.get(f"{name}_setpoint_c") for name in self.names]
        self._relay_commanded: Flags = np.array([relay is not None for relay in relays], dtype=np.bool_)
        self._relay_command: Flags = np.array([bool(relay) for relay in relays], dtype=np.bool_)
        self._setpoint_c: Array = np.array([np.nan if c is None else float(c) for c in setpoints], dtype=np.float64)
        self._setpoint_commanded: Flags = ~np.isnan(self._setpoint_c)

    def switch(self, now: datetime) -> float:
        """Let the minute from `now` begin; returns what the heaters draw [kW]."""
        if self._minute == BLOCK:
            self._count_comfort()
            self._begin_block(now)
        self._relays.switch(np.where(self._relay_commanded, self._relay_command, self._thermostat()))
        self._heater_kw = self._relays.power_kw * self._relays.on
        return float(self._heater_kw.sum())

    def shed(self, excess_kw: float) -> float:
        """Cut heaters off for this minute, the last listed room first, until `excess_kw` is gone; returns kW cut.

        A contactor before the relays does it: they neither switch nor lose their minimum times.
        """
        cut_kw = 0.0
        for i in reversed(range(len(self.names))):
            if cut_kw >= excess_kw:
                break
            cut_kw += float(self._heater_kw[i])
            self._heater_kw[i] = 0.0
        return cut_kw

    def finish(self, outdoor_c: float, ghi_w_m2: float, weather_changed: bool) -> None:
        """Let the minute pass."""
        if weather_changed or self._minute % GAIN_MINUTES == 0:
            people_kw = self._internal_kw * self._people[self._minute]
            self.thermal.gain(self._outside * outdoor_c + self._solar_m2 * (ghi_w_m2 / 1000) + people_kw)
        self.thermal.minute(self._heater_kw)
        self.energy_kwh += self._heater_kw * MINUTE_H
        self._trace[self._minute] = self.thermal.air_c
        self._minute += 1

    def comfort(self) -> dict[str, RoomComfort]:
        """By room, from the start until now."""
        self._count_comfort()
        counts = (self._outside_minutes, self._occupied_minutes, self._cold_minutes)
        columns = zip(self.names, *counts, self._outside_kh, strict=True)
        return {name: RoomComfort(int(bad), int(all_), int(cold), float(kh)) for name, bad, all_, cold, kh in columns}

    def _thermostat(self) -> Flags:
        setpoint_c = np.where(self._setpoint_commanded, self._setpoint_c, self._scheduled_c[self._minute])
        below_k = setpoint_c - self.thermal.air_c
        return (below_k > HYSTERESIS_K) | (self._relays.on & (below_k >= -HYSTERESIS_K))

    def _begin_block(self, start: datetime) -> None:
        schedules = [room.comfort for room in self._spec.rooms]
        clocks = {zone: wall_seconds(start, zone) for zone in {schedule.timezone for schedule in schedules}}
        bands = [_bands(schedule, clocks[schedule.timezone]) for schedule in schedules]
        empty = np.zeros((BLOCK, 4, 0))
        table = np.stack(bands, axis=2) if bands else empty
        self._scheduled_c: Array = np.ascontiguousarray(table[:, 0])
        self._low_c, self._high_c = table[:, 1], table[:, 2]
        self._occupied: Flags = table[:, 3] > 0
        people = [PEOPLE[clocks[schedule.timezone] % DAY_S // 60] for schedule in schedules]
        self._people: Array = np.stack(people, axis=1) if people else np.zeros((BLOCK, 0))
        self._minute = self._counted = 0

    def _count_comfort(self) -> None:
        seen = slice(self._counted, self._minute)
        occupied, air_c = self._occupied[seen], self._trace[seen]
        outside_k = np.maximum(0.0, np.maximum(self._low_c[seen] - air_c, air_c - self._high_c[seen]))
        self._occupied_minutes += occupied.sum(axis=0)
        self._outside_minutes += (occupied & (outside_k > OUTSIDE_BAND_K)).sum(axis=0)
        self._cold_minutes += (occupied & (self._low_c[seen] - air_c > OUTSIDE_BAND_K)).sum(axis=0)
        self._outside_kh += (outside_k * occupied).sum(axis=0) * MINUTE_H
        self._counted = self._minute


def _bands(schedule: ComfortSchedule, wall_s: Ints) -> Array:
    """Setpoint, low, high and occupied (0 or 1) at each minute, shape (minutes, 4)."""
    begins = [seconds_of(begin) for begin, _ in schedule.periods]
    values = np.array([(b.setpoint_c, b.low_c, b.high_c, float(b.occupied)) for _, b in schedule.periods])
    # Before the first period of the day the last one of the day before still holds: index -1.
    return np.asarray(values[np.searchsorted(begins, wall_s % DAY_S, side="right") - 1], dtype=np.float64)


def _people_over_the_day() -> Array:
    """Heat of people and appliances by minute of the local day, as a share of its mean."""
    hour = np.arange(BLOCK) * MINUTE_H

    def peak(at: float, width: float, height: float) -> Array:
        return np.asarray(height * np.exp(-(((hour - at) / width) ** 2)), dtype=np.float64)

    shape = 0.5 + peak(7.0, 1.2, 1.0) + peak(12.5, 1.0, 0.4) + peak(19.0, 2.2, 1.5)
    return np.asarray(shape / shape.mean(), dtype=np.float64)


PEOPLE = _people_over_the_day()

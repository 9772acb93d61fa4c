"""Heated rooms with relays and setpoints, of any brand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import cached_property

from pems_core.domain import (
    HOUR,
    Control,
    ControlKind,
    Equipment,
    Executed,
    Forecasts,
    HeatingSpec,
    HeatingState,
    Plan,
    Reading,
    Readings,
    RoomSpec,
    RoomState,
    SiteState,
    StaleReading,
    Step,
    Value,
    of_kind,
)
from pems_core.planning.model import DispatchModel
from pems_core.planning.parts.room_execution import MAX_PREDICTION, execute_rooms, observe_room, settled_slab_c
from pems_core.planning.parts.rooms import add_rooms
from pems_core.planning.parts.thermal import RoomNetwork

MAX_AGE = timedelta(minutes=15)
HELD_FOR = timedelta(hours=1)
"""How long a plan takes a window, a person or a satisfied thermostat to keep PEMS out; each cycle looks again."""
SITE_MAX_AGE = timedelta(hours=1)
DEFAULT_OUTDOOR_C = 5.0
"""Only used for a first guess of slab temperatures where nobody measures outside."""


class HeatedRoomsDevice:
    """Readings to state (with an observer for the slabs), plan to relays and setpoints, settings to heat."""

    balances = False

    def __init__(self, name: str, spec: HeatingSpec) -> None:
        self.name = name
        self.spec = spec

    @property
    def equipment(self) -> HeatingSpec:
        return self.spec

    def equip(self, equipment: Equipment) -> None:
        """See `Identifiable.equip`."""
        self.spec = of_kind(equipment, HeatingSpec)
        self.__dict__.pop("network", None)

    @cached_property
    def network(self) -> RoomNetwork:
        return RoomNetwork.of(self.spec)

    def controls(self) -> Sequence[Control]:
        low_c, high_c = self.spec.setpoint_range_c
        return [
            replace(control, group=room.name)
            for room in self.spec.rooms
            for control in (
                Control(f"{room.name}_relay", ControlKind.SWITCH, min_dwell=min(room.min_on, room.min_off)),
                Control(f"{room.name}_setpoint_c", ControlKind.NUMBER, "°C", low_c, high_c, self.spec.setpoint_step_c),
            )
        ]

    def state(self, readings: Readings, before: object | None = None) -> HeatingState:
        """Rooms as measured, slabs as estimated. A room that cannot be read keeps its predicted state and a fault.

        :raises StaleReading: if no room at all can be read.
        """
        known = before if isinstance(before, HeatingState) else HeatingState({})
        outdoor_c = self._weather(readings, "outdoor_temperature_c", "°C", DEFAULT_OUTDOOR_C)
        predicted = self._predicted(readings, known, outdoor_c)
        rooms: dict[str, RoomState] = {}
        faults: dict[str, str] = {}
        for room in self.spec.rooms:
            try:
                rooms[room.name] = self._room(readings, room, known, predicted.get(room.name), outdoor_c)
            except StaleReading as stale:
                faults[room.name] = str(stale)
                if room.name in predicted:
                    rooms[room.name] = predicted[room.name]
        if self.spec.rooms and len(faults) == len(self.spec.rooms):
            raise StaleReading("; ".join(faults.values()))
        # The network needs every room; one that was never read is taken to be where its comfort schedule wants it.
        for room in self.spec.rooms:
            if room.name not in rooms:
                wanted_c = room.comfort.at(readings.now).setpoint_c
                rooms[room.name] = RoomState(wanted_c, settled_slab_c(room, wanted_c, outdoor_c))
        heat = {r.name: self._heat_kwh(readings, r) for r in self.spec.rooms}
        return HeatingState(rooms, faults, readings.now, {n: kwh for n, kwh in heat.items() if kwh is not None})

    def _room(
        self,
        readings: Readings,
        room: RoomSpec,
        known: HeatingState,
        predicted: RoomState | None,
        outdoor_c: float,
    ) -> RoomState:
        measured_c = readings.number(f"{self.name}/{room.name}_temperature_c", MAX_AGE, "°C")
        relay = self._fresh(readings, room, "relay")
        on = bool(relay.value) if relay else False
        old = known.rooms.get(room.name)
        since = old.relay_since if old and old.relay_on == on else (relay.measured_at if relay and old else None)
        if predicted is None or known.at is None:
            seen = RoomState(measured_c, settled_slab_c(room, measured_c, outdoor_c))
        else:
            seen = observe_room(room, predicted, measured_c, (readings.now - known.at) / HOUR)
        return self._held(readings, room, replace(seen, relay_on=on, relay_since=since, held_by="", held_until=None))

    def _held(self, readings: Readings, room: RoomSpec, state: RoomState) -> RoomState:
        """The state with what keeps PEMS from commanding the room."""
        available = self._fresh(readings, room, "available")
        if available is not None and available.value is False:
            # Its relay may be on, and no heat comes of it.
            return replace(state, relay_on=False, held_by="thermostat", held_until=readings.now + HELD_FOR)
        held_by = self._fresh(readings, room, "held_by")
        if held_by is None or not held_by.value:
            return state
        return replace(state, held_by=str(held_by.value), held_until=readings.now + HELD_FOR)

    def _fresh(self, readings: Readings, room: RoomSpec, point: str) -> Reading | None:
        """A reading that a room can do without."""
        try:
            return readings.fresh(f"{self.name}/{room.name}_{point}", MAX_AGE)
        except StaleReading:
            return None

    def _predicted(self, readings: Readings, known: HeatingState, outdoor_c: float) -> dict[str, RoomState]:
        """Where the model says the rooms are now, from the last state and the heat that was given since."""
        if known.at is None or not timedelta(0) < readings.now - known.at <= MAX_PREDICTION:
            return dict(known.rooms) if known.at == readings.now else {}
        length_h = (readings.now - known.at) / HOUR
        settings: dict[str, Value] = {}
        for room in self.spec.rooms:
            given = self._heat_kwh(readings, room)
            earlier = known.heat_kwh.get(room.name)
            if given is not None and earlier is not None and given >= earlier:
                settings[f"{room.name}_relay"] = min(1.0, (given - earlier) / (room.relay_kw * length_h))
            elif room.name in known.rooms:
                settings[f"{room.name}_relay"] = known.rooms[room.name].relay_on
        inputs = {
            "outdoor_temperature_c": outdoor_c,
            "ghi_w_m2": self._weather(readings, "ghi_w_m2", "W/m2", 0.0),
        }
        after = execute_rooms(self.network, settings, known, Step(known.at, length_h, inputs)).state
        return dict(of_kind(after, HeatingState).rooms)

    def _heat_kwh(self, readings: Readings, room: RoomSpec) -> float | None:
        try:
            return readings.number(f"{self.name}/{room.name}_heat_kwh", MAX_AGE, "kWh")
        except StaleReading:
            return None

    @staticmethod
    def _weather(readings: Readings, series: str, unit: str, default: float) -> float:
        """As an instrument of the house measures it, else as services say."""
        for who in ("site", "weather"):
            try:
                return readings.number(f"{who}/{series}", SITE_MAX_AGE, unit)
            except StaleReading:
                continue
        return default

    def add_to_model(self, model: DispatchModel, state: SiteState, forecasts: Forecasts) -> None:
        add_rooms(model, self.name, self.spec, state, forecasts)

    def settings(self, plan: Plan, t: int) -> Mapping[str, Value]:
        settings: dict[str, Value] = {}
        low_c, high_c = self.spec.setpoint_range_c
        grid_c = self.spec.setpoint_step_c
        for room in self.spec.rooms:
            share = plan.dispatch[f"{self.name}.{room.name}_kw"][t] / room.relay_kw
            settings[f"{room.name}_relay"] = share > 0.5 if t < plan.binary_steps else share
            planned_c = plan.levels[f"{self.name}.{room.name}_c"][t]
            settings[f"{room.name}_setpoint_c"] = min(high_c, max(low_c, round(planned_c / grid_c) * grid_c))
        return settings

    def execute(self, settings: Mapping[str, Value], state: object, step: Step) -> Executed:
        return execute_rooms(self.network, settings, of_kind(state, HeatingState), step)

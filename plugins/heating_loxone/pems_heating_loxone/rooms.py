"""Rooms heated by relays of a Loxone Miniserver."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from pems_core.devices import HeatedRoomsDevice
from pems_core.devices.commands import Validity, require_allowed
from pems_core.domain import Command, HeatingSpec, SiteState, Value

from .encoding import MqttWords, Words


class HeatedRooms(HeatedRoomsDevice):
    """Puts settings into messages to the Miniserver.

    What is said over MQTT or to virtual inputs does not end by itself: the Miniserver's own watchdog must hand the
    rooms back when PEMS falls silent.
    """

    def __init__(self, name: str, spec: HeatingSpec, words: Words | None = None) -> None:
        """
        :param words: how it is said; over MQTT if none are given.
        """
        super().__init__(name, spec)
        self._words: Words = words or MqttWords()

    def encode(
        self, settings: Mapping[str, Value], valid_from: datetime, valid_until: datetime, state: SiteState
    ) -> Sequence[Command]:
        """See `Device.encode`. A relay or setpoint that is left out is handed back to the Miniserver."""
        require_allowed(self.name, self.controls(), settings)
        return list(self._messages(settings, Validity(valid_from, valid_until)))

    def release(self) -> Sequence[Command]:
        """Every relay to its room's own thermostat, every setpoint to the Miniserver's schedule."""
        return list(self._messages({}, Validity.release()))

    def _messages(self, settings: Mapping[str, Value], validity: Validity) -> Iterator[Command]:
        for room in self.spec.rooms:
            # The setpoint first: a relay that is handed back then finds the setpoint it shall follow.
            wanted_c = settings.get(f"{room.name}_setpoint_c")
            setpoint_c = None if wanted_c is None else self._on_grid_c(float(wanted_c))
            yield self._words.setpoint(self.name, room.name, setpoint_c, validity)
            relay = settings.get(f"{room.name}_relay")
            said = self._words.relay(self.name, room.name, None if relay is None else bool(relay), validity)
            if said is not None:
                yield said

    def _on_grid_c(self, setpoint_c: float) -> float:
        """The setpoint on the grid that the Miniserver takes, within its range [°C]."""
        low_c, high_c = self.spec.setpoint_range_c
        step_c = self.spec.setpoint_step_c
        return min(high_c, max(low_c, round(round(setpoint_c / step_c) * step_c, 6)))

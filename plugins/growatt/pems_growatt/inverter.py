"""A Growatt hybrid inverter, behind an OpenInverterGateway or on Modbus."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import chain
from typing import Literal
from zoneinfo import ZoneInfo

from pems_core.devices import HybridInverterDevice
from pems_core.devices.by_hand import BY_HAND, EXPORT_LIMIT, RESERVE, as_planned
from pems_core.devices.commands import Validity, require_allowed
from pems_core.domain import Command, HybridInverterSpec, SiteState, Value

from . import words as modbus
from .encoding import (
    GatewayWord,
    battery_first_words,
    export_words,
    grid_first_words,
    load_first_words,
    validity_of,
)
from .shares import export_share
from .slots import first_start, slots_between

GROUPS = {"grid_export": "feed_in", EXPORT_LIMIT: "feed_in", RESERVE: "reserve"}
"""Feed-in and reserve have words of their own, beside those of the battery's mode."""


class HybridInverter(HybridInverterDevice):
    """Puts settings into commands of the gateway, or into the words of `GrowattModbus`.

    `load_first` is what the inverter does by itself; the other modes are time slots on its own clock, which end
    with the validity of the settings. Slots come again every day, so a dead PEMS needs a watchdog that sends
    `release` within a day.

    :param timezone: the zone that the inverter's clock runs in.
    :param transport: how it is reached.
    :param topic: of its gateway.
    """

    groups = GROUPS

    def __init__(
        self,
        name: str,
        spec: HybridInverterSpec,
        timezone: str = "UTC",
        transport: Literal["oig", "modbus"] = "oig",
        topic: str = "energy/solar",
    ) -> None:
        super().__init__(name, spec)
        self.zone = ZoneInfo(timezone)
        self.transport = transport
        self._commands = f"{topic}/command/"
        # What a gateway cannot say stands in docs/devices/growatt_mqtt.md.
        self.offers = BY_HAND if transport == "modbus" else BY_HAND - {RESERVE}

    def encode(
        self, settings: Mapping[str, Value], valid_from: datetime, valid_until: datetime, state: SiteState
    ) -> Sequence[Command]:
        """See `Device.encode`. A slot starts at least a minute after `state.now`; a mode with less time left is
        not commanded.
        """
        require_allowed(self.name, self.controls(), settings)
        validity = Validity(valid_from, valid_until)
        settings = as_planned(settings, self.spec.battery)
        if self.transport == "modbus":
            words = self._modbus_words(settings, valid_until)
            return [word.command(self.name, validity) for word in words]
        slot_starts_at = first_start(valid_from, state.now)
        words_of_gateway = chain(
            export_words(export_share(settings, self.spec.ac_limit_kw)),
            self._mode_words(settings, slot_starts_at, valid_until),
        )
        return [self._command(word, validity_of(word, validity, slot_starts_at)) for word in words_of_gateway]

    def _command(self, word: GatewayWord, validity: Validity) -> Command:
        return word.command(self.name, validity, self._commands)

    def _modbus_words(self, settings: Mapping[str, Value], until: datetime) -> Sequence[modbus.Word]:
        words = list(modbus.grid_words(settings, self.spec))
        return words if self.spec.battery is None else [*words, modbus.battery_word(settings, self.spec, until)]

    def _mode_words(self, settings: Mapping[str, Value], start: datetime, until: datetime) -> Sequence[GatewayWord]:
        mode = settings.get("mode", "load_first")
        if self.spec.battery is None:
            return []
        if mode == "load_first":
            return list(load_first_words())
        slots = slots_between(start, until, self.zone)
        if not slots:
            return []
        words = battery_first_words if mode == "battery_first" else grid_first_words
        return list(words(settings, self.spec, slots))

    def release(self) -> Sequence[Command]:
        """Load first, no charging from the grid, feed-in enabled: as the inverter is without PEMS."""
        if self.transport == "modbus":
            return [word.command(self.name, Validity.release()) for word in modbus.release_words(self.spec)]
        own = load_first_words() if self.spec.battery is not None else ()
        return [self._command(word, Validity.release()) for word in chain(own, export_words())]

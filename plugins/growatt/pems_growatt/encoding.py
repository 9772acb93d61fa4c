"""The words of an OpenInverterGateway: what a Growatt SPH inverter is told over MQTT.

Each word is a topic below `energy/solar/command/` and a JSON object. The gateway copies `correlationId` into its
reply on `energy/solar/result`. Commands must never be retained: the gateway would carry them out at its next start.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from pems_core.devices.commands import Validity, command_id
from pems_core.domain import Command, HybridInverterSpec, Value

from .shares import rate_percent, stop_percent
from .slots import Slot, no_slots

TOPIC = "energy/solar/command/"
LONGEST_PACKET = 256
"""The gateway's buffer for topic and payload [bytes]; what is longer is dropped without a trace."""
GROUPS = {"battery_first": "batteryfirst", "grid_first": "gridfirst"}

Argument = int | str | bool


@dataclass(frozen=True)
class GatewayWord:
    """One command of the gateway."""

    control: str
    name: str
    arguments: Mapping[str, Argument]

    def command(self, device: str, validity: Validity, topic: str = TOPIC) -> Command:
        """This word on the wire.

        :param topic: what the gateway's commands begin with.
        :raises ValueError: if the gateway could not take it in one packet.
        """
        address = topic + self.name
        identity = command_id(device, address, json.dumps(self.arguments), validity.valid_from)
        payload = packet(address, identity, self.arguments)
        return Command(identity, device, self.control, "mqtt", address, payload, validity.expires_at)


def packet(address: str, identity: str, arguments: Mapping[str, Argument]) -> str:
    """The payload of a request: a JSON object, never empty, that carries its identity.

    :raises ValueError: if the gateway could not take it in one packet.
    """
    payload = json.dumps({"correlationId": identity, **arguments})
    length = len(address.encode()) + len(payload.encode())
    if length > LONGEST_PACKET:
        raise ValueError(f"{address} with {payload} has {length} bytes; at most {LONGEST_PACKET} are allowed")
    return payload


def export_words(share: float = 1.0) -> Iterator[GatewayWord]:
    """Feed-in, up to a share of the rated power; 0: none."""
    # Both words make the inverter measure with a meter on RS485 (holding register 122 = 1). A plant that
    # measures with clamps loses its export limit by them and must not be given this control.
    tenths = round(1000 * share)
    if 0 < tenths < 1000:
        # The gateway has no word for a part (protocols B.1).
        limit: dict[str, Argument] = {"id": 123, "type": "16b", "registerType": "H", "value": tenths}
        yield GatewayWord("grid_export", "modbus/set", limit)
        return
    yield GatewayWord("grid_export", "export/enable" if tenths else "export/disable", {})


def slot_words(mode: str, slots: tuple[Slot, ...]) -> Iterator[GatewayWord]:
    for slot in slots:
        arguments: dict[str, Argument] = {
            "start": f"{slot.start:%H:%M}",
            "stop": f"{slot.stop:%H:%M}",
            "enabled": slot.enabled,
            "slot": slot.number,
        }
        yield GatewayWord("mode", f"{GROUPS[mode]}/set/timeslot", arguments)


def load_first_words() -> Iterator[GatewayWord]:
    """The inverter's own operation: no slots, and no charging from the grid."""
    yield from slot_words("grid_first", no_slots())
    yield from slot_words("battery_first", no_slots())
    yield GatewayWord("battery_charge_grid", "batteryfirst/set/acchargeenabled", {"value": 0})


def battery_first_words(
    settings: Mapping[str, Value], spec: HybridInverterSpec, slots: tuple[Slot, ...]
) -> Iterator[GatewayWord]:
    battery = spec.battery
    assert battery is not None
    # Slots of both modes at once leave the mode undefined: the other mode's go first.
    yield from slot_words("grid_first", no_slots())
    stop_soc = min(float(settings.get("stop_soc", battery.soc_max)), battery.soc_max)
    yield GatewayWord("stop_soc", "batteryfirst/set/stopsoc", {"value": stop_percent(stop_soc)})
    rate = rate_percent(settings.get("charge_power_kw"), battery.charge_limit_kw)
    yield GatewayWord("charge_power_kw", "batteryfirst/set/powerrate", {"value": rate})
    from_grid = bool(settings.get("battery_charge_grid", False))
    yield GatewayWord("battery_charge_grid", "batteryfirst/set/acchargeenabled", {"value": int(from_grid)})
    yield from slot_words("battery_first", slots)


def grid_first_words(
    settings: Mapping[str, Value], spec: HybridInverterSpec, slots: tuple[Slot, ...]
) -> Iterator[GatewayWord]:
    battery = spec.battery
    assert battery is not None
    yield from slot_words("battery_first", no_slots())
    stop_soc = max(float(settings.get("stop_soc", 0.0)), battery.soc_min)
    yield GatewayWord("stop_soc", "gridfirst/set/stopsoc", {"value": stop_percent(stop_soc)})
    rate = rate_percent(settings.get("discharge_power_kw"), battery.discharge_limit_kw)
    yield GatewayWord("discharge_power_kw", "gridfirst/set/powerrate", {"value": rate})
    yield GatewayWord("battery_charge_grid", "batteryfirst/set/acchargeenabled", {"value": 0})
    yield from slot_words("grid_first", slots)


def validity_of(word: GatewayWord, validity: Validity, slot_starts_at: datetime) -> Validity:
    """How long a word may be sent: one that enables a slot only until that starts, or it would act tomorrow."""
    if not word.arguments.get("enabled", False):
        return validity
    return Validity(validity.valid_from, min(validity.expires_at, slot_starts_at))

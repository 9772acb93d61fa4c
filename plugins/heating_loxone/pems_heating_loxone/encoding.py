"""The words of a Loxone Miniserver: relays and setpoints of rooms over MQTT, UDP and HTTP.

Every way knows three relay states and a setpoint or none: on, off and "auto", which hands back: the Miniserver follows
its own thermostat and schedule until the next other word. Where only numbers travel (UDP and HTTP) a relay is 1, 0 or
-1 for auto, and a setpoint of 0 is none, so that the default of each virtual input is local control.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import quote
from zoneinfo import ZoneInfo

from pems_core.devices.commands import Validity, command_id
from pems_core.domain import Command

RELAY, SETPOINT = "relay", "setpoint_c"
Wish = bool | float | None
"""A relay's state, a setpoint [°C], or None for the room's own control."""
LOXONE_EPOCH = datetime(2009, 1, 1)  # noqa: DTZ001 - the epoch has no zone; which one is meant is configured
WRITABLE = re.compile(r"-?\d{1,3}(\.\d{1,6})?|override/3/\d{9,10}/\d{1,2}(\.\d{1,3})?|stopOverride")
"""All that is ever written over HTTP: never Pulse, setComfort..., setOperatingMode, setManualTemperature (78, 79)."""


class Words(Protocol):
    """One way to say it."""

    def relay(self, device: str, room: str, on: bool | None, validity: Validity) -> Command | None:
        """Switch a relay, or give it to the room's own thermostat (None); None if this way cannot say it."""

    def setpoint(self, device: str, room: str, setpoint_c: float | None, validity: Validity) -> Command:
        """Set a room's setpoint, or give it to the Miniserver's schedule (None)."""


def said_to(command: Command) -> tuple[str, str]:
    """The room and what of it (`relay` or `setpoint_c`) a command is for.

    :raises ValueError: if its control is neither.
    """
    for what in (RELAY, SETPOINT):
        room = command.control.removesuffix(f"_{what}")
        if room != command.control:
            return room, what
    raise ValueError(f"{command.device} has no control {command.control!r}")


def _command(transport: str, device: str, control: str, address: str, payload: str, validity: Validity) -> Command:
    identity = command_id(device, address, payload, validity.valid_from)
    return Command(identity, device, control, transport, address, payload, validity.expires_at)


def _relay_number(on: bool | None) -> str:
    return "-1" if on is None else str(int(on))


def _setpoint_number(setpoint_c: float | None) -> str:
    return "0" if setpoint_c is None else f"{setpoint_c:g}"


def _wish(what: str, number: float) -> Wish:
    if what == RELAY:
        return None if number < 0 else number > 0
    return number or None


@dataclass(frozen=True, slots=True)
class MqttWords:
    """`{prefix}/heating/{room}/set` takes `{"state": "on"}`, `"off"` or `"auto"`.

    `{prefix}/temperature/{room}/setpoint`
    takes `{"target_temperature": 21.5, "unit": "celsius"}` or `{"state": "auto"}`.

    A hand-back of the setpoint names no temperature, because any temperature would be a wish. Commands must not be
    retained: the Miniserver does not check their age.
    """

    prefix: str = "loxone"

    def relay(self, device: str, room: str, on: bool | None, validity: Validity) -> Command:
        state = "auto" if on is None else "on" if on else "off"
        topic, payload = f"{self.prefix}/heating/{room}/set", json.dumps({"state": state})
        return _command("mqtt", device, f"{room}_{RELAY}", topic, payload, validity)

    def setpoint(self, device: str, room: str, setpoint_c: float | None, validity: Validity) -> Command:
        words = {"state": "auto"} if setpoint_c is None else {"target_temperature": setpoint_c, "unit": "celsius"}
        topic = f"{self.prefix}/temperature/{room}/setpoint"
        return _command("mqtt", device, f"{room}_{SETPOINT}", topic, json.dumps(words), validity)

    @staticmethod
    def wish(command: Command) -> Wish:
        """What a command of this way wants."""
        said = json.loads(command.payload)
        if said.get("state") == "auto":
            return None
        return bool(said["state"] == "on") if "state" in said else float(said["target_temperature"])


@dataclass(frozen=True, slots=True)
class UdpWords:
    """`;kitchen_relay=1;` and `;kitchen_setpoint_c=21.5;` in datagrams to `host:port`.

    The semicolon before each key keeps `kitchen_relay=` from matching inside another key (protocols C.4).
    """

    target: str

    def relay(self, device: str, room: str, on: bool | None, validity: Validity) -> Command:
        return self._said(device, f"{room}_{RELAY}", _relay_number(on), validity)

    def setpoint(self, device: str, room: str, setpoint_c: float | None, validity: Validity) -> Command:
        return self._said(device, f"{room}_{SETPOINT}", _setpoint_number(setpoint_c), validity)

    def _said(self, device: str, control: str, number: str, validity: Validity) -> Command:
        return _command("udp", device, control, self.target, f";{control}={number};", validity)

    @staticmethod
    def wish(command: Command) -> Wish:
        """What a command of this way wants."""
        return _wish(said_to(command)[1], float(command.payload.strip(";").partition("=")[2]))


@dataclass(frozen=True, slots=True)
class InputWords:
    """A number to each room's virtual inputs: GET of address, a slash and the payload (protocols C.1)."""

    url: str
    names: Mapping[str, tuple[str, str]]
    """By room: its virtual inputs for relay and setpoint."""

    def relay(self, device: str, room: str, on: bool | None, validity: Validity) -> Command:
        return self._said(device, f"{room}_{RELAY}", self.names[room][0], _relay_number(on), validity)

    def setpoint(self, device: str, room: str, setpoint_c: float | None, validity: Validity) -> Command:
        return self._said(device, f"{room}_{SETPOINT}", self.names[room][1], _setpoint_number(setpoint_c), validity)

    def _said(self, device: str, control: str, name: str, number: str, validity: Validity) -> Command:
        return _command("http", device, control, f"{self.url}{io_path(name)}", number, validity)

    @staticmethod
    def wish(command: Command) -> Wish:
        """What a command of this way wants."""
        return _wish(said_to(command)[1], float(command.payload))


@dataclass(frozen=True, slots=True)
class OverrideWords:
    """A timer override of each room's IRoomControllerV2, which ends by itself; relays follow its thermostat."""

    url: str
    uuids: Mapping[str, str]
    zone: ZoneInfo | None = None
    """Of the Miniserver's epoch: None is UTC (protocols C.3, open point)."""

    def relay(self, device: str, room: str, on: bool | None, validity: Validity) -> None:
        """The controller's thermostat switches it."""

    def setpoint(self, device: str, room: str, setpoint_c: float | None, validity: Validity) -> Command:
        end = loxone_seconds(validity.expires_at, self.zone) if setpoint_c is not None else 0
        words = "stopOverride" if setpoint_c is None else override_words(end, setpoint_c)
        return _command("http", device, f"{room}_{SETPOINT}", f"{self.url}{io_path(self.uuids[room])}", words, validity)

    @staticmethod
    def wish(command: Command) -> Wish:
        """What a command of this way wants."""
        return None if command.payload == "stopOverride" else float(command.payload.rpartition("/")[2])

    @staticmethod
    def ends(command: Command) -> int:
        """When the wish of a command ends [s since 2009-01-01]."""
        return int(command.payload.split("/")[2])


def override_words(end_s: int, setpoint_c: float) -> str:
    """A fixed temperature until an instant [s since 2009-01-01]; it ends by itself.

    >>> override_words(535200000, 21.5)
    'override/3/535200000/21.5'
    """
    return f"override/3/{end_s}/{setpoint_c:g}"


def io_path(name: str) -> str:
    """The path of a control or virtual input, with whatever its name has percent-encoded.

    >>> io_path("Küche/PEMS")
    '/jdev/sps/io/K%C3%BCche%2FPEMS'
    """
    return f"/jdev/sps/io/{quote(name, safe='')}"


def loxone_seconds(at: datetime, zone: ZoneInfo | None = None) -> int:
    """Seconds since 2009-01-01 00:00, of UTC or of a zone's wall clock.

    >>> loxone_seconds(datetime(2009, 1, 2, tzinfo=UTC))
    86400
    """
    return int((at.astimezone(zone or UTC).replace(tzinfo=None) - LOXONE_EPOCH).total_seconds())

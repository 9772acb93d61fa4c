"""The words of a Loxone Miniserver behind MQTT: relays and setpoints of rooms.

`loxone/heating/{room}/set` takes `{"state": "on"}`, `"off"` or `"auto"`; `loxone/temperature/{room}/setpoint` takes
`{"target_temperature": 21.5, "unit": "celsius"}` or `{"state": "auto"}`. "auto" hands back: the Miniserver follows
its own thermostat and schedule until the next other word. A hand-back of the setpoint names no temperature, because
any temperature would be a wish. Commands must not be retained: the Miniserver does not check their age.
"""

import json

from pems_core.devices.commands import Validity, mqtt_command
from pems_core.domain import Command


def relay_command(device: str, room: str, on: bool | None, validity: Validity) -> Command:
    """Switch a relay, or give it to the room's own thermostat (None)."""
    state = "auto" if on is None else "on" if on else "off"
    return mqtt_command(device, f"{room}_relay", f"loxone/heating/{room}/set", json.dumps({"state": state}), validity)


def setpoint_command(device: str, room: str, setpoint_c: float | None, validity: Validity) -> Command:
    """Set a room's setpoint, or give it to the Miniserver's schedule (None)."""
    words = {"state": "auto"} if setpoint_c is None else {"target_temperature": setpoint_c, "unit": "celsius"}
    return mqtt_command(
        device, f"{room}_setpoint_c", f"loxone/temperature/{room}/setpoint", json.dumps(words), validity
    )

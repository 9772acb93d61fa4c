"""What every brand needs to put settings into words on the wire."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

from pems_core.domain import NEVER, BadSetting, Command, Control, Value


def require_allowed(device: str, controls: Sequence[Control], settings: Mapping[str, Value]) -> None:
    """Refuse settings that the catalogue does not know or does not allow.

    :raises BadSetting: one line a fault.
    """
    by_name = {control.name: control for control in controls}
    faults = []
    for name, value in settings.items():
        fault = by_name[name].fault(value) if name in by_name else _unknown(name, by_name)
        if fault is not None:
            faults.append(f"{device}: {fault}")
    if faults:
        raise BadSetting(faults)


def _unknown(name: str, known: Mapping[str, Control]) -> str:
    return f"{name} is no control of it; controls: {', '.join(known) or 'none'}"


def command_id(device: str, address: str, words: str, valid_from: datetime | None) -> str:
    """The id of a command, which follows from what it says and from when on, so that a repeated cycle repeats it.

    :param words: what is said, without the id itself.
    :param valid_from: None for a release, which has no time.

    >>> command_id("pump", "pump/set", "on", None) == command_id("pump", "pump/set", "on", None)
    True
    """
    since = "release" if valid_from is None else valid_from.astimezone(UTC).isoformat()
    return str(uuid5(NAMESPACE_URL, f"pems:{device}:{address}:{words}:{since}"))


@dataclass(frozen=True, slots=True)
class Validity:
    """The time for which commands are said."""

    valid_from: datetime | None
    expires_at: datetime

    @classmethod
    def release(cls) -> "Validity":
        return cls(None, NEVER)


def mqtt_command(
    device: str, control: str, address: str, payload: str, validity: Validity, reason: str = ""
) -> Command:
    """A message whose payload does not carry the command's id."""
    identity = command_id(device, address, payload, validity.valid_from)
    return Command(identity, device, control, "mqtt", address, payload, validity.expires_at, reason)

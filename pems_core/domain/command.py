"""What is sent to the house, and what became of it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

NEVER = datetime.max.replace(tzinfo=UTC)
"""Expiry of what gives a device back to its own control: that is right at any time."""


@dataclass(frozen=True, slots=True)
class Command:
    """One desired state on the wire, in the words of the transport that carries it."""

    id: str
    device: str
    control: str
    transport: str
    """How it travels: mqtt, modbus, udp or http."""
    address: str
    """Topic, path or target; over Modbus the word that the device's transport puts into registers."""
    payload: str
    expires_at: datetime
    reason: str = ""

    @property
    def releases(self) -> bool:
        """It gives a device back to its own control."""
        return self.expires_at == NEVER


class Stage(StrEnum):
    """How far a command has come, or how it ended."""

    QUEUED = "queued"
    SENT = "sent"
    ACKED = "acked"
    READBACK_OK = "readback_ok"
    EFFECT_OK = "effect_ok"
    REJECTED = "rejected"
    REVERTED = "reverted"
    NO_EFFECT = "no_effect"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"

    @property
    def failed(self) -> bool:
        """The device does not do what was commanded."""
        return self in (Stage.REJECTED, Stage.REVERTED, Stage.NO_EFFECT)


@dataclass(frozen=True, slots=True)
class Receipt:
    """How far a command has come."""

    command: Command
    stage: Stage
    at: datetime
    detail: str = ""

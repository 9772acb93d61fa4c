"""What is sent to the house, and what became of it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class Command:
    """One desired state on the wire, in the words of the transport that carries it."""

    id: str
    device: str
    control: str
    transport: str
    address: str
    payload: str
    expires_at: datetime
    reason: str = ""


class Stage(StrEnum):
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


@dataclass(frozen=True, slots=True)
class Receipt:
    """How far a command has come."""

    command: Command
    stage: Stage
    at: datetime
    detail: str = ""

"""What a device shall do, and what it was told last."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pems_core.domain import Control, Stage, Value


@dataclass(frozen=True, slots=True)
class Wish:
    """The newest desired state of one device."""

    settings: Mapping[str, Value]
    """By control; a control that is left out goes to the device's own default."""
    valid_from: datetime
    valid_until: datetime
    """When it is taken back, unless another wish has come."""
    source: str = "plan"
    reason: str = ""
    by_hand: frozenset[str] = frozenset()
    """The controls that a person has set: their modes and setpoints may change sooner."""
    anew_since: datetime | None = None
    """What was sent before this instant means something else by now and is sent again, such as local times of day."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What a control was told, and since when."""

    value: Value
    since: datetime


@dataclass(frozen=True, slots=True)
class InForce:
    """What a device was told last and has taken."""

    settings: Mapping[str, Value]
    valid_until: datetime
    sent_at: datetime
    source: str
    stage: Stage
    """The least that is known of all its commands."""


def same_value(control: Control, one: Value | None, other: Value | None) -> bool:
    """Whether two values are the same to a device: numbers within half of what it can tell apart."""
    if one is None or other is None or isinstance(one, bool | str) or isinstance(other, bool | str):
        return type(one) is type(other) and one == other
    return abs(one - other) <= max(1e-9, (control.resolution or 0.0) / 2)

"""The settings of one device on their way through the limits, and what was not let through."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pems_core.domain import Control, Value
from pems_core.protocols import Device

from .wish import Applied, same_value


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that was not let through, or not as it was wished."""

    place: str
    found: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.place}: found {self.found}; allowed: {self.allowed}"


@dataclass
class Draft:
    """The settings of one device on their way through the limits."""

    device: Device
    settings: dict[str, Value]
    state: object | None
    """Of the device; None if it could not be read."""
    now: datetime
    in_force: Mapping[str, Applied]
    by_hand: frozenset[str] = frozenset()
    refusals: list[Refusal] = field(default_factory=list)
    again_at: datetime | None = None
    """When a minimum time that changed these settings is over."""

    def __post_init__(self) -> None:
        self.controls: Mapping[str, Control] = {control.name: control for control in self.device.controls()}

    def refuse(self, control: str, found: object, allowed: str) -> None:
        self.refusals.append(Refusal(f"{self.device.name}/{control}", str(found), allowed))

    def keep_old(self, *controls: str) -> None:
        """Let controls stay as they are now."""
        for control in controls:
            old = self.in_force.get(control)
            if old is None:
                self.settings.pop(control, None)
            else:
                self.settings[control] = old.value

    def drop(self, *controls: str) -> None:
        """Leave controls to the device's own default."""
        for control in controls:
            self.settings.pop(control, None)

    def wait_until(self, instant: datetime) -> None:
        self.again_at = instant if self.again_at is None else min(self.again_at, instant)

    def changes(self, control: str) -> bool:
        """Whether a control is to become something else than it was told last."""
        old = self.in_force.get(control)
        return not same_value(self.controls[control], self.settings.get(control), old.value if old else None)

    def too_early(self, control: str, dwell: timedelta) -> datetime | None:
        """Until when the last change of a control keeps it, or None if it may change."""
        old = self.in_force.get(control)
        free_at = None if old is None else old.since + dwell
        return free_at if free_at is not None and self.now < free_at else None

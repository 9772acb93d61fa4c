"""What a person wants a control to do, whatever the plan says."""

from dataclasses import dataclass
from datetime import datetime, tzinfo

Value = float | str | bool


@dataclass(frozen=True, slots=True)
class Override:
    device: str
    control: str
    value: Value
    valid_from: datetime
    valid_until: datetime
    by: str
    reason: str = ""

    def holds(self, at: datetime) -> bool:
        return self.valid_from <= at < self.valid_until

    def ends(self, zone: tzinfo) -> str:
        """When it ends, for people, by the clock of the house.

        >>> from datetime import UTC
        >>> at = datetime(2025, 1, 10, 12, 0, tzinfo=UTC)
        >>> Override("inverter", "mode", "load_first", at, at, "Jan").ends(UTC)
        '2025-01-10 12:00 UTC'
        """
        return f"{self.valid_until.astimezone(zone):%Y-%m-%d %H:%M %Z}"

"""What a person wants a control to do, whatever the plan says."""

from dataclasses import dataclass
from datetime import datetime

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

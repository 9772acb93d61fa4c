"""What the operator should know."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that is wrong now, told once for as long as it lasts."""

    severity: Severity
    place: str
    """Device, `<device>/<point>`, line or part of PEMS."""
    text: str
    since: datetime
    rule: str = ""
    """What kind of matter it is, by which it is judged and told; see `pems_core.alerting.rules`."""

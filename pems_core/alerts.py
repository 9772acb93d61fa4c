"""What is wrong with something now, each matter told once for as long as it lasts."""

from collections.abc import Sequence
from datetime import datetime

from .domain import Alert, Severity


class AlertBook:
    """Alerts by place and by what they are about; one that is told again keeps the time since when it holds.

    :param place: of alerts for which none is named.
    """

    def __init__(self, place: str = "") -> None:
        self._place = place
        self._alerts: dict[tuple[str, str], Alert] = {}

    def put(
        self,
        about: str,
        text: str,
        at: datetime,
        severity: Severity = Severity.WARNING,
        *,
        place: str | None = None,
        rule: str = "",
    ) -> None:
        """Something is wrong; if it was before, only its text and severity change."""
        where = self._place if place is None else place
        before = self._alerts.get((where, about))
        self._alerts[where, about] = Alert(severity, where, text, before.since if before else at, rule)

    def clear(self, *abouts: str, place: str | None = None) -> None:
        """These are right again, or were never wrong."""
        for about in abouts:
            self._alerts.pop((self._place if place is None else place, about), None)

    def tell(
        self,
        about: str,
        text: str,
        at: datetime,
        severity: Severity = Severity.WARNING,
        *,
        place: str | None = None,
        rule: str = "",
    ) -> None:
        """Put it with a text, clear it with an empty one."""
        if text:
            self.put(about, text, at, severity, place=place, rule=rule)
        else:
            self.clear(about, place=place)

    @property
    def abouts(self) -> Sequence[str]:
        """What the alerts are about, once for each place."""
        return [about for _, about in self._alerts]

    @property
    def all(self) -> Sequence[Alert]:
        return tuple(self._alerts.values())

"""What was lost: an alert for a day after the last of it, as what is gone never gets right by itself."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pems_core.clock import Clock
from pems_core.domain import Alert, Severity

TOLD_FOR = timedelta(days=1)


@dataclass
class Losses:
    """Counts what was lost in one way.

    :param say: the text of the alert about so many.
    """

    clock: Clock
    place: str
    severity: Severity
    say: Callable[[int], str]
    count: int = 0
    _since: datetime | None = None
    _last: datetime | None = None

    def add(self, count: int = 1) -> None:
        now = self.clock.now()
        if self._last is None or now - self._last > TOLD_FOR:
            self.count, self._since = 0, now
        self.count += count
        self._last = now

    @property
    def alerts(self) -> list[Alert]:
        """At most one; none when nothing was lost for a day."""
        if self._since is None or self._last is None or self.clock.now() - self._last > TOLD_FOR:
            return []
        return [Alert(self.severity, self.place, self.say(self.count), self._since)]

"""When a Modbus unit is left alone because it does not answer."""

from pems_core.clock import Clock
from pems_core.domain import Alert, Severity

from .modbus_errors import LeftAlone

FAILURES = 5
"""In a row, until no more is asked."""
PAUSE_S = 15.0
"""Of the clock, and no longer after hours: with the pause of a poll and that of a command after it, a device that comes
back is told again within a minute."""


class Breaker:
    """Opens after some failures in a row and then lets one request through after each pause.

    Gateways hang until they are switched off and on (protocols A.1 "Gateways", trap 15): what else waits for the
    answers of a dead one keeps others waiting.
    """

    def __init__(self, clock: Clock, place: str) -> None:
        self._clock = clock
        self._place = place
        self._failures = 0
        self._open_until_s = 0.0
        self._alert: Alert | None = None

    @property
    def open(self) -> bool:
        return self._failures >= FAILURES and self._clock.elapsed_s() < self._open_until_s

    @property
    def alert(self) -> Alert | None:
        """What the operator should know, until an answer comes."""
        return self._alert

    def require_closed(self) -> None:
        """
        :raises LeftAlone: at once, if it is open.
        """
        if self.open:
            wait_s = self._open_until_s - self._clock.elapsed_s()
            raise LeftAlone(
                f"{self._place} did not answer {self._failures} times in a row; it is asked again in {wait_s:.0f} s"
            )

    def succeeded(self) -> None:
        self._failures = 0
        self._alert = None

    def failed(self, why: str) -> None:
        """
        :param why: for the alert.
        """
        self._failures += 1
        if self._failures < FAILURES:
            return
        self._open_until_s = self._clock.elapsed_s() + PAUSE_S
        since = self._alert.since if self._alert else self._clock.now()
        text = f"no answer {self._failures} times in a row, the last time: {why}"
        self._alert = Alert(Severity.CRITICAL, self._place, text, since)

"""How fast a Modbus bus is asked."""

from pems_core.clock import Clock

SLOW_AFTER_ERROR_S = 60.0
"""How long the spacing stays doubled; slow after errors as the field does (protocols A.1 "Minimum command period")."""


class Pace:
    """Keeps a time between the end of one exchange and the start of the next, and twice that after errors."""

    def __init__(self, clock: Clock, spacing_s: float) -> None:
        """
        :param spacing_s: least time between two requests [s of the clock].
        """
        self._clock = clock
        self._spacing_s = spacing_s
        self._ended_s: float | None = None
        self._slow_until_s = 0.0

    @property
    def idle_s(self) -> float:
        """Since the last exchange; 0 before the first."""
        return 0.0 if self._ended_s is None else self._clock.elapsed_s() - self._ended_s

    async def wait(self) -> None:
        """Until the next request may be sent."""
        if self._ended_s is None:
            return
        slow = self._ended_s < self._slow_until_s
        until_s = self._ended_s + self._spacing_s * (2 if slow else 1)
        # A sleep may end a little early: the clock and the event loop's timer are not the same.
        while (left_s := until_s - self._clock.elapsed_s()) > 0:
            await self._clock.sleep(left_s)

    def ended(self, *, well: bool) -> None:
        """An exchange ended: with an answer, or not."""
        self._ended_s = self._clock.elapsed_s()
        if not well:
            self._slow_until_s = self._ended_s + SLOW_AFTER_ERROR_S

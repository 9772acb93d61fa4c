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
        self._hurried_s: float | None = None
        self._ended_s: float | None = None
        self._ended_command = False
        self._slow_until_s = 0.0

    @property
    def idle_s(self) -> float:
        """Since the last exchange; 0 before the first."""
        return 0.0 if self._ended_s is None else self._clock.elapsed_s() - self._ended_s

    def hurry_after(self, rest_s: float) -> None:
        """Let a command follow what was only looked at after a shorter rest [s of the clock]; the longest that is asked
        for holds."""
        self._hurried_s = max(rest_s, self._hurried_s or 0.0)

    def left_s(self, *, command: bool) -> float:
        """Until the next request may be sent.

        :param command: whether it is one of a command. Its first has less of a rest: the one that somebody waits for.
        """
        if self._ended_s is None:
            return 0.0
        rest_s = self._spacing_s
        if self._ended_s < self._slow_until_s:
            rest_s *= 2
        elif command and not self._ended_command and self._hurried_s is not None:
            rest_s = min(rest_s, self._hurried_s)
        return self._ended_s + rest_s - self._clock.elapsed_s()

    def ended(self, *, well: bool, command: bool) -> None:
        """An exchange ended: with an answer, or not."""
        self._ended_s = self._clock.elapsed_s()
        self._ended_command = command
        if not well:
            self._slow_until_s = self._ended_s + SLOW_AFTER_ERROR_S

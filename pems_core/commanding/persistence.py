"""How soon and how often something is tried again."""

from collections.abc import Mapping

from pems_core.clock import Clock
from pems_core.domain import Value

from .groups import Groups

BACKOFF_FIRST_S, BACKOFF_FACTOR, BACKOFF_MOST_S = 2.0, 1.5, 30.0
FAILURES_THAT_COUNT = 20
"""The pause is at its longest by then; a power of thousands would be no number any more."""
LOOK_AGAIN_S = 10.0
"""A wish that may not be followed now is looked at again this often."""
MOST_REWRITES, REWRITES_WITHIN_S = 2, 3600.0


class Backoff:
    """When a device is tried again: later after each failure."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._until_s = 0.0

    @property
    def left_s(self) -> float:
        """How long nothing is to be tried [s]."""
        return max(0.0, self._until_s - self._clock.elapsed_s())

    def failed(self) -> None:
        self._wait(min(BACKOFF_MOST_S, BACKOFF_FIRST_S * BACKOFF_FACTOR ** min(self._failures, FAILURES_THAT_COUNT)))
        self._failures += 1

    def look_again_later(self) -> None:
        self._wait(LOOK_AGAIN_S)

    def reset(self) -> None:
        self._failures, self._until_s = 0, 0.0

    def _wait(self, seconds: float) -> None:
        self._until_s = self._clock.elapsed_s() + seconds


class Stubbornness:
    """How often what a device does not take is written again, and what it is spared from then on."""

    def __init__(self, groups: Groups, clock: Clock) -> None:
        self._groups = groups
        self._clock = clock
        self._rewrites: dict[str, list[float]] = {}
        self._given_up: dict[str, Mapping[str, Value]] = {}

    @property
    def given_up(self) -> frozenset[str]:
        """Groups that are not told the same any more."""
        return frozenset(self._given_up)

    def may_rewrite(self, group: str) -> bool:
        """Whether a group may be told the same once more; if so, that is counted."""
        elapsed_s = self._clock.elapsed_s()
        recent = [at for at in self._rewrites.get(group, []) if elapsed_s - at < REWRITES_WITHIN_S]
        if len(recent) >= MOST_REWRITES:
            return False
        self._rewrites[group] = [*recent, elapsed_s]
        return True

    def give_up(self, group: str, settings: Mapping[str, Value]) -> None:
        """Write the same no more until something else is wished."""
        self._given_up[group] = dict(settings)

    def spares(self, group: str, wished: Mapping[str, Value]) -> bool:
        """Whether a group is not told this, because it did not take it; anything else begins anew."""
        given_up = self._given_up.get(group)
        if given_up is None:
            return False
        if self._groups.same(given_up, wished):
            return True
        del self._given_up[group]
        return False

    def begin_anew(self) -> None:
        self._given_up.clear()

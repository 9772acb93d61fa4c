"""How soon and how often something is tried again."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf

from pems_core.clock import Clock
from pems_core.domain import Value

from .groups import Groups

BACKOFF_FIRST_S, BACKOFF_FACTOR, BACKOFF_MOST_S = 2.0, 1.5, 30.0
FAILURES_THAT_COUNT = 20
"""The pause is at its longest by then; a power of thousands would be no number any more."""
LOOK_AGAIN_S = 10.0
"""A wish that may not be followed now is looked at again this often."""
PUT_OFF_FIRST_S, PUT_OFF_FACTOR, PUT_OFF_MOST_S = 60.0, 2.0, 600.0
"""What a device cannot be told now is tried again after so long, later each time: a clock is set, or a day passes."""
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


@dataclass(frozen=True, slots=True)
class _Spared:
    """What a group did not take."""

    settings: Mapping[str, Value]
    until_s: float = inf
    """When it is tried again, by the steady clock; never, if it was given up."""
    times: int = 0
    """How often it was put off."""


class Stubbornness:
    """How often what a device does not take is written again, and what it is spared from then on."""

    def __init__(self, groups: Groups, clock: Clock) -> None:
        self._groups = groups
        self._clock = clock
        self._rewrites: dict[str, list[float]] = {}
        self._spared: dict[str, _Spared] = {}

    @property
    def dues_s(self) -> Iterator[float]:
        """When what was put off is tried again, by the steady clock."""
        elapsed_s = self._clock.elapsed_s()
        return (spared.until_s for spared in self._spared.values() if elapsed_s < spared.until_s < inf)

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
        self._spared[group] = _Spared(dict(settings))

    def put_off(self, group: str, settings: Mapping[str, Value]) -> float:
        """Write the same again only after so many seconds, which are more each time."""
        times = self._spared[group].times if group in self._spared else 0
        wait_s = min(PUT_OFF_MOST_S, PUT_OFF_FIRST_S * PUT_OFF_FACTOR**times)
        self._spared[group] = _Spared(dict(settings), self._clock.elapsed_s() + wait_s, times + 1)
        return wait_s

    def took(self, group: str) -> None:
        """The group takes what it is told."""
        self._spared.pop(group, None)

    def reconsiders(self, group: str, wished: Mapping[str, Value]) -> bool:
        """Whether something else is wished than what a group did not take, which begins anew then."""
        spared = self._spared.get(group)
        if spared is None or self._groups.same(spared.settings, wished):
            return False
        del self._spared[group]
        return True

    def spares(self, group: str) -> bool:
        """Whether a group is not told now what it did not take."""
        spared = self._spared.get(group)
        return spared is not None and self._clock.elapsed_s() < spared.until_s

    def begin_anew(self) -> None:
        self._spared.clear()

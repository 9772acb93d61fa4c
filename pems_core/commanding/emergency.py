"""The emergency stop: everything is given back, and stays so until a person resets it."""

from dataclasses import dataclass
from datetime import datetime

from pems_core.clock import Clock

from .store import Store

KIND, NAME = "emergency", "latch"


@dataclass(frozen=True, slots=True)
class Latch:
    by: str
    reason: str
    at: datetime


class EmergencyStop:
    """Latches over restarts."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    @property
    def latch(self) -> Latch | None:
        """Who stopped PEMS, why and when; None if it may command."""
        kept = self._store.kept(KIND).get(NAME)
        return None if kept is None else Latch(kept["by"], kept["reason"], datetime.fromisoformat(kept["at"]))

    @property
    def stopped(self) -> bool:
        return self.latch is not None

    def stop(self, by: str, reason: str = "") -> Latch:
        """Latch; who stopped first stays on record. Giving the devices back is the dispatcher's."""
        if (latched := self.latch) is not None:
            return latched
        latch = Latch(by, reason, self._clock.now())
        self._store.keep(KIND, NAME, {"by": by, "reason": reason, "at": latch.at.isoformat()})
        return latch

    def reset(self, by: str) -> Latch | None:
        """Let PEMS command again; the latch that was.

        :param by: the person who answers for it.
        """
        latch = self.latch
        self._store.forget(KIND, NAME)
        self._store.keep("emergency_reset", NAME, {"by": by, "at": self._clock.now().isoformat()})
        return latch

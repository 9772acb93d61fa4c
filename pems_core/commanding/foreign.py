"""Other controllers at work on a device, such as a maker's cloud: PEMS yields to them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from pems_core.clock import Clock
from pems_core.domain import Alert, Severity

from .store import Store

FOREIGN = "foreign"
REVERTS, WITHIN, YIELD_FOR = 2, timedelta(hours=1), timedelta(hours=24)
"""So often verified values change without PEMS before it yields to another controller (protocols D.1), and how long."""


class ForeignControllers:
    """Notices them by what they undo again and again; remembered over restarts.

    Places are devices, or groups of controls of one (`heating/kitchen`): who sets two rooms by hand undoes nothing
    twice, and who fights over one is left that room.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._reverts: dict[str, list[datetime]] = {}

    @property
    def noticed(self) -> Mapping[str, datetime]:
        """Places that another controller commands, and since when that is known."""
        now = self._clock.now()
        noticed = {place: datetime.fromisoformat(at) for place, at in self._store.kept(FOREIGN).items()}
        return {place: at for place, at in noticed.items() if now < at + YIELD_FOR}

    def reverted(self, place: str, now: datetime) -> bool:
        """Note that a verified value changed without PEMS; true if a foreign controller must be at work."""
        recent = [at for at in self._reverts.get(place, []) if now - at < WITHIN]
        self._reverts[place] = [*recent, now]
        if len(self._reverts[place]) < REVERTS:
            return False
        self._store.keep(FOREIGN, place, now.isoformat())
        return True

    def reset(self, device: str) -> None:
        """A person says that none is at work any more on a device, or that it is looked after."""
        for place in {*self._reverts, *self._store.kept(FOREIGN)}:
            if place.partition("/")[0] == device:
                self._reverts.pop(place, None)
                self._store.forget(FOREIGN, place)

    def yields_until(self, place: str) -> str | None:
        """How long PEMS sends a place nothing, and what ends that sooner; None if it does not yield."""
        since, device = self.noticed.get(place), place.partition("/")[0]
        return None if since is None else f"until {(since + YIELD_FOR).isoformat()} or `pems stage {device} control`"

    @property
    def alerts(self) -> Sequence[Alert]:
        return [
            Alert(
                Severity.CRITICAL,
                place,
                "foreign controller: it undoes what PEMS commands; PEMS yields " + (self.yields_until(place) or ""),
                since,
                "foreign_writer",
            )
            for place, since in self.noticed.items()
        ]

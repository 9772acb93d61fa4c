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
    """Notices them by what they undo; remembered over restarts."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._reverts: dict[str, list[datetime]] = {}

    @property
    def noticed(self) -> Mapping[str, datetime]:
        """Devices that another controller commands, and since when that is known."""
        now = self._clock.now()
        noticed = {device: datetime.fromisoformat(at) for device, at in self._store.kept(FOREIGN).items()}
        return {device: at for device, at in noticed.items() if now < at + YIELD_FOR}

    def reverted(self, device: str, now: datetime) -> bool:
        """Note that a verified value changed without PEMS; true if a foreign controller must be at work."""
        recent = [at for at in self._reverts.get(device, []) if now - at < WITHIN]
        self._reverts[device] = [*recent, now]
        if len(self._reverts[device]) < REVERTS:
            return False
        self._store.keep(FOREIGN, device, now.isoformat())
        return True

    def reset(self, device: str) -> None:
        """A person says that none is at work any more, or that it is looked after."""
        self._reverts.pop(device, None)
        self._store.forget(FOREIGN, device)

    def yields_until(self, device: str) -> str | None:
        """How long PEMS sends a device nothing, and what ends that sooner; None if it does not yield."""
        since = self.noticed.get(device)
        return None if since is None else f"until {(since + YIELD_FOR).isoformat()} or `pems stage {device} control`"

    @property
    def alerts(self) -> Sequence[Alert]:
        return [
            Alert(
                Severity.CRITICAL,
                device,
                "foreign controller: it undoes what PEMS commands; PEMS yields " + (self.yields_until(device) or ""),
                since,
                "foreign_writer",
            )
            for device, since in self.noticed.items()
        ]

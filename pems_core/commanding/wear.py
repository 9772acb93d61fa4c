"""Memory that writes wear out, and relays that starts wear out, counted over restarts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pems_core.clock import Clock
from pems_core.domain import Alert, Severity, WornOut, floor_time
from pems_core.transport.lines import Change

from .store import Store

WRITE, RELAY_START, DONE, CHANGED = "write", "relay_start", "done", "changed"
HOUR = timedelta(hours=1)
MONTH = timedelta(days=30)
LIFE_STARTS_PER_DAY = 18.0
"""100 000 operations in 15 years (protocols D.5)."""


@dataclass(frozen=True, slots=True)
class DailyWrites:
    """How often one place of a memory may be written in a day."""

    target: int
    most: int


class StoredWearBook:
    """Counts writes by memory and day (UTC) before they are made; see `WearBook`.

    The defaults spread 100 000 writes over 15 years (protocols A.7).

    :param per_day_target: beyond it an alert says which memory is written too often.
    :param per_day_hard: beyond it only releases are written. Both hold for devices that nobody has said more of.
    """

    def __init__(self, store: Store, clock: Clock, per_day_target: int = 10, per_day_hard: int = 18) -> None:
        self._store = store
        self._clock = clock
        self._usual = DailyWrites(per_day_target, per_day_hard)
        self._limits: dict[str, DailyWrites] = {}
        self._since: dict[tuple[str, str], datetime] = {}

    def limit(self, device: str, per_day: int, most_per_day: int) -> None:
        """See `WearBook.limit`."""
        self._limits[device] = DailyWrites(per_day, most_per_day)

    def spend(self, device: str, memory: Sequence[str], *, releases: bool = False) -> None:
        """See `WearBook.spend`."""
        allowed = self._allowed(device)
        used_up = [one for one in memory if self._store.counted(WRITE, device, one) >= allowed.most]
        if used_up and not releases:
            raise WornOut(
                f"{device}: {', '.join(used_up)} was written {allowed.most} times today; "
                f"at most {allowed.most} writes a day are allowed"
            )
        self._store.count(WRITE, device, memory)
        now = self._clock.now()
        for one in memory:
            if self._store.counted(WRITE, device, one) > allowed.target:
                self._since.setdefault((device, one), now)

    def last_done(self, device: str, what: str) -> datetime | None:
        """See `WearBook.last_done`; also before a restart."""
        at = self._store.kept(DONE).get(f"{device}/{what}")
        return None if at is None else datetime.fromisoformat(at)

    def note_done(self, device: str, what: str, at: datetime) -> None:
        """See `WearBook.note_done`."""
        self._store.keep(DONE, f"{device}/{what}", at.isoformat())

    def note_changed(self, device: str, setting: str, change: Change) -> None:
        """See `WearBook.note_changed`; written before this returns."""
        both = change.after(self.changed(device).get(setting))
        self._store.keep(CHANGED, f"{device}/{setting}", [both.was, both.told])

    def changed(self, device: str) -> Mapping[str, Change]:
        """See `WearBook.changed`."""
        return changed_settings(self._store, device)

    def put_back(self, device: str, setting: str) -> None:
        """See `WearBook.put_back`."""
        self._store.forget(CHANGED, f"{device}/{setting}")

    def writes_today(self, device: str) -> Mapping[str, int]:
        """Writes of today (UTC) by memory."""
        return self._store.counts_since(WRITE, device, self._clock.now().astimezone(UTC).date())

    @property
    def alerts(self) -> Sequence[Alert]:
        """Memory that was written more often today than its life allows on average."""
        found = []
        for (device, one), since in self._since.items():
            writes, allowed = self._store.counted(WRITE, device, one), self._allowed(device)
            if writes > allowed.target:
                severity = Severity.CRITICAL if writes >= allowed.most else Severity.WARNING
                text = f"{one} was written {writes} times today; {allowed.target} a day are planned for"
                found.append(Alert(severity, device, text, since, "write_budget"))
        return found

    def _allowed(self, device: str) -> DailyWrites:
        return self._limits.get(device, self._usual)


def changed_settings(store: Store, device: str) -> Mapping[str, Change]:
    """Settings of a device that PEMS has changed and not put back, as a store knows them."""
    kept, prefix = store.kept(CHANGED), f"{device}/"
    return {name.removeprefix(prefix): Change(*was) for name, was in kept.items() if name.startswith(prefix)}


class RelayBook:
    """Counts starts of relays (protocols D.5).

    :param per_hour: starts of one relay in any hour.
    """

    def __init__(self, store: Store, clock: Clock, per_hour: int = 6) -> None:
        self._store = store
        self._clock = clock
        self.per_hour = per_hour

    def refusal(self, device: str, relay: str) -> str | None:
        """Why a relay may not start now, or None if it may."""
        starts = len(self._last_hour(device, relay))
        return None if starts < self.per_hour else f"{starts} starts in the last hour; at most {self.per_hour} allowed"

    def started(self, device: str, relay: str) -> None:
        """Count a start."""
        times = [*self._last_hour(device, relay), self._clock.now()]
        self._store.keep(RELAY_START, f"{device}/{relay}", [at.isoformat() for at in times])
        self._store.count(RELAY_START, device, [relay])

    @property
    def alerts(self) -> Sequence[Alert]:
        """Relays that wear out before their time: by the mean of the last 30 days."""
        today = floor_time(self._clock.now(), timedelta(days=1))
        allowed = f"{LIFE_STARTS_PER_DAY:g} allowed"
        return [
            Alert(Severity.WARNING, f"{device}/{relay}", f"{mean:.0f} starts a day; {allowed}", today, "write_budget")
            for device, relay in self._known
            for mean in [self.starts_per_day(device, relay)]
            if mean > LIFE_STARTS_PER_DAY
        ]

    def starts_per_day(self, device: str, relay: str) -> float:
        """Mean of the last 30 days, today counted as a whole day and missing days as without starts."""
        since = (self._clock.now() - MONTH).astimezone(UTC).date()
        return self._store.counts_since(RELAY_START, device, since).get(relay, 0) / MONTH.days

    @property
    def _known(self) -> Sequence[tuple[str, str]]:
        names = (name.partition("/") for name in self._store.kept(RELAY_START))
        return [(device, relay) for device, _, relay in names]

    def _last_hour(self, device: str, relay: str) -> list[datetime]:
        now = self._clock.now()
        kept = self._store.kept(RELAY_START).get(f"{device}/{relay}", [])
        return [at for at in map(datetime.fromisoformat, kept) if now - at < HOUR]

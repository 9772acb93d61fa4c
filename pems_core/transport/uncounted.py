"""Writes that nobody counts."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from .lines import Change


class UncountedWear:
    """A `WearBook` for where nothing wears or there is nobody to count: trials, and giving devices back in need."""

    def __init__(self) -> None:
        self._done: dict[tuple[str, str], datetime] = {}
        self._changed: dict[str, dict[str, Change]] = {}

    def limit(self, device: str, per_day: int, most_per_day: int) -> None:
        """See `WearBook`; there is no limit here."""

    def spend(self, device: str, memory: Sequence[str], *, releases: bool = False) -> None:
        """See `WearBook`; always allowed."""

    def last_done(self, device: str, what: str) -> datetime | None:
        """See `WearBook`; as long as this book lives."""
        return self._done.get((device, what))

    def note_done(self, device: str, what: str, at: datetime) -> None:
        """See `WearBook`."""
        self._done[device, what] = at

    def note_changed(self, device: str, setting: str, change: Change) -> None:
        """See `WearBook`."""
        self._changed.setdefault(device, {})[setting] = change.after(self._changed.get(device, {}).get(setting))

    def changed(self, device: str) -> Mapping[str, Change]:
        """See `WearBook`; as long as this book lives."""
        return dict(self._changed.get(device, {}))

    def put_back(self, device: str, setting: str) -> None:
        """See `WearBook`."""
        self._changed.get(device, {}).pop(setting, None)

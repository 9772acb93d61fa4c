"""Writes that nobody counts."""

from collections.abc import Sequence


class UncountedWear:
    """A `WearBook` for where nothing wears or there is nobody to count: trials, and giving devices back in need."""

    def limit(self, device: str, per_day: int, most_per_day: int) -> None:
        """See `WearBook`; there is no limit here."""

    def spend(self, device: str, memory: Sequence[str], *, releases: bool = False) -> None:
        """See `WearBook`; always allowed."""

"""What a device may still be doing because PEMS told it so, also before a restart."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pems_core.clock import Clock
from pems_core.domain import Value

from .groups import Groups
from .store import Store
from .wish import Applied, Wish

WISH = "wish"
"""The kind of the facts in the store, by device."""


class Told:
    """What a device was told last and until when that holds, kept in the store."""

    def __init__(self, device: str, groups: Groups, store: Store, clock: Clock) -> None:
        self._device = device
        self._groups = groups
        self._store = store
        self._clock = clock
        kept = store.kept(WISH).get(device)
        self._applied = _applied_from(kept)
        self._until = None if kept is None else datetime.fromisoformat(kept["valid_until"])

    @property
    def until(self) -> datetime | None:
        """When the last wish ends of which the device was told; None if it is its own."""
        return self._until

    @property
    def applied(self) -> Mapping[str, Applied]:
        """What its controls were told, by control."""
        return self._applied

    def tells_of(self, group: str) -> bool:
        """Whether anything that a group was told may still hold."""
        return any(name in self._applied for name in self._groups.controls(group))

    def keep(self, wish: Wish) -> None:
        """Remember what the device may be doing; before it is told."""
        self._until = wish.valid_until
        self._store.keep(WISH, self._device, _to_json(wish, self._applied))

    def took(self, group: str, settings: Mapping[str, Value], wish: Wish) -> None:
        """Remember what a group has taken; a control that is as it was keeps its time."""
        now = self._clock.now()
        for name in self._groups.controls(group):
            old, new = self._applied.get(name), settings.get(name)
            if new is None:
                self._applied.pop(name, None)
            elif old is None or not self._groups.same_value(name, old.value, new):
                self._applied[name] = Applied(new, now)
        self.keep(wish)

    def forget(self) -> None:
        """The device is its own again."""
        self._applied.clear()
        self._until = None
        self._store.forget(WISH, self._device)


def _to_json(wish: Wish, applied: Mapping[str, Applied]) -> dict[str, Any]:
    return {
        "settings": dict(wish.settings),
        "valid_from": wish.valid_from.isoformat(),
        "valid_until": wish.valid_until.isoformat(),
        "source": wish.source,
        "reason": wish.reason,
        "applied": {name: [one.value, one.since.isoformat()] for name, one in applied.items()},
    }


def _applied_from(kept: Mapping[str, Any] | None) -> dict[str, Applied]:
    applied = {} if kept is None else kept["applied"]
    return {name: Applied(value, datetime.fromisoformat(since)) for name, (value, since) in applied.items()}

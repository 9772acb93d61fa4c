"""What the house was told, and for how long it holds."""

from collections.abc import Sequence
from datetime import datetime

from pems_core.domain import Decision, Value

Key = tuple[str, str]
"""Device and control."""


class CommandBook:
    """Desired states by device and control; each holds until it is replaced or expires."""

    def __init__(self) -> None:
        self._decisions: dict[Key, list[Decision]] = {}

    def put(self, decisions: Sequence[Decision]) -> None:
        """Replace what was said before about the same controls; several in a row take turns by their time."""
        fresh: dict[Key, list[Decision]] = {}
        for decision in decisions:
            fresh.setdefault((decision.device, decision.control), []).append(decision)
        self._decisions.update(fresh)

    def in_force(self, now: datetime) -> dict[Key, Value]:
        """The values that hold now; a control that nobody commands is left out. Of two that hold the later wins."""
        holding = ((key, said) for key, all_said in self._decisions.items() for said in all_said if said.holds(now))
        return {key: said.value for key, said in holding}

    def next_change(self, now: datetime) -> datetime:
        """When a value begins or ends to hold next, or the end of all time."""
        edges = (
            edge
            for all_said in self._decisions.values()
            for said in all_said
            for edge in (said.valid_from, said.valid_until)
        )
        return min((edge for edge in edges if edge > now), default=datetime.max.replace(tzinfo=now.tzinfo))

"""Which of the ways in which real devices mislead a simulated device plays now."""

from collections.abc import Iterable


class Traps:
    """Traps by number, such as "1" or "36b", as docs/traps.md lists them; each can be set and cleared at any time."""

    def __init__(self, *numbers: str) -> None:
        self._set = set(numbers)

    def __contains__(self, number: str) -> bool:
        return number in self._set

    def set(self, *numbers: str) -> None:
        self._set.update(numbers)

    def clear(self, *numbers: str) -> None:
        """Clear these, or all if none is named."""
        self._set.difference_update(numbers or tuple(self._set))

    @property
    def playing(self) -> Iterable[str]:
        return sorted(self._set)

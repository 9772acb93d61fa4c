"""The catalogue of what a device can be told."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from .override import Value


class ControlKind(StrEnum):
    SWITCH = "switch"
    NUMBER = "number"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class Control:
    """One thing a device can be told, with what is allowed."""

    name: str
    kind: ControlKind
    unit: str = ""
    lowest: float | None = None
    highest: float | None = None
    resolution: float | None = None
    options: tuple[str, ...] = ()
    min_dwell: timedelta = timedelta(0)
    """How long a value stays before the next change."""
    max_step: float | None = None
    """Largest change at once."""
    description: str = ""
    group: str = ""
    """Controls that the device takes together, by messages of their own; those without a group are one more. What it
    refuses of one group costs it no other."""

    def fault(self, value: Value) -> str | None:
        """Why `value` is not allowed, or None if it is.

        >>> Control("mode", ControlKind.CHOICE, options=("load_first",)).fault("off")
        "mode is 'off'; allowed: load_first"
        """
        if self.kind is ControlKind.SWITCH:
            return None if isinstance(value, bool) else f"{self.name} is {value!r}; allowed: true, false"
        if self.kind is ControlKind.CHOICE:
            if value in self.options:
                return None
            return f"{self.name} is {value!r}; allowed: {', '.join(self.options)}"
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
            return f"{self.name} is {value!r}; a number{f' in {self.unit}' if self.unit else ''} is needed"
        if self.lowest is not None and value < self.lowest - 1e-9:
            return f"{self.name} is {value:g} {self.unit}; at least {self.lowest:g} is allowed"
        if self.highest is not None and value > self.highest + 1e-9:
            return f"{self.name} is {value:g} {self.unit}; at most {self.highest:g} is allowed"
        return None

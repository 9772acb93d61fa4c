"""An intelligent room controller, IRoomControllerV2, as protocols C.3 has it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, uuid5

from pems_core.domain import RoomSpec

from .traps import Traps

EPOCH = datetime(2009, 1, 1, tzinfo=UTC)
ECO_K = 3.0
"""How far below comfort the building is kept while a window is open."""
FIXED_TEMPERATURE = 3
"""The mode of an override that names a temperature."""


def loxone_time(at: datetime) -> int:
    """Seconds since 2009-01-01, of UTC."""
    return int((at - EPOCH).total_seconds())


def loxone_uuid(what: str) -> str:
    """An uuid in the form of the Miniserver's, always the same for the same thing."""
    digits = uuid5(NAMESPACE_URL, f"loxone:{what}").hex
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:]}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One timer override."""

    mode: int
    start: int
    end: int
    """Seconds since 2009-01-01; 0: without end."""
    celsius: float | None


class RoomController:
    """Knows what temperature its room shall have, by schedule, override or open window."""

    def __init__(self, spec: RoomSpec, traps: Traps) -> None:
        self.spec = spec
        self.uuid = loxone_uuid(spec.name)
        self.room = spec.name.replace("_", " ").capitalize()
        """How the room is called in the app."""
        self.window_open = False
        self.locked = False
        self.operating_mode = 0
        self.manual_c = 20.0
        self.comfort_offset_k = 0.0
        self.comfort_c: float | None = None
        self._entry: Entry | None = None
        self._traps = traps

    @property
    def comfort_is_wired(self) -> bool:
        """Trap 80: the program sets the comfort temperature itself, and ignores the app and the API."""
        return "80" in self._traps

    def override(self, mode: int, end: int, celsius: float | None, now: datetime) -> None:
        """Begin a timer override; it takes the place of the one before (trap 83)."""
        if not self.locked and not self.comfort_is_wired:
            self._entry = Entry(mode, loxone_time(now), end, celsius)

    def stop_override(self) -> None:
        self._entry = None

    def entry(self, now: datetime) -> Entry | None:
        """The override in force; it ends by itself."""
        if self._entry is not None and 0 < self._entry.end <= loxone_time(now):
            self._entry = None
        return self._entry

    def wanted_c(self, now: datetime) -> float | None:
        """What an override or the manual mode wants; None: the schedule holds."""
        entry = self.entry(now)
        # Trap 78: what is asked for is stored, and the controller goes on by its schedule.
        if entry is not None and entry.celsius is not None and "78" not in self._traps:
            return entry.celsius
        return self.manual_c if self.operating_mode in (3, 4, 5) else None

    def target_c(self, now: datetime, pems_c: float | None) -> float:
        """The temperature in force.

        :param pems_c: from the selector of the program; None: local schedule.
        """
        scheduled_c = (self.comfort_c or self.spec.comfort.at(now).setpoint_c) + self.comfort_offset_k
        if self.window_open:
            return scheduled_c - ECO_K
        wanted_c = self.wanted_c(now)
        return wanted_c if wanted_c is not None else pems_c if pems_c is not None else scheduled_c

    def command(self, words: list[str], now: datetime) -> int:
        """A command of the app or the API; returns the code of its answer."""
        match words:
            case ["override", mode, *rest] if len(rest) <= 2:
                return self._override(mode, rest, now)
            case ["stopOverride"]:
                self.stop_override()
            case ["setManualTemperature", celsius]:
                self.manual_c = float(celsius)
            case ["setComfortModeTemp", offset]:
                # Trap 79: an offset, whatever the sender takes it for.
                self.comfort_offset_k = float(offset)
            case ["setComfortTemperature", celsius]:
                self.comfort_c = float(celsius)
            case ["setOperatingMode", mode]:
                self.operating_mode = int(mode)
            case _:
                return 400
        return 200

    def _override(self, mode: str, rest: list[str], now: datetime) -> int:
        end, celsius = [*rest, "", ""][:2]
        self.override(int(mode), int(end or 0), float(celsius) if celsius else None, now)
        return 200

    def states(self, now: datetime, actual_c: float, pems_c: float | None) -> Mapping[str, object]:
        """Its outputs by name."""
        entry = self.entry(now)
        said = {"mode": entry.mode, "start": entry.start, "end": entry.end} if entry else None
        return {
            "tempActual": actual_c,
            "tempTarget": self.target_c(now, pems_c),
            "operatingMode": self.operating_mode,
            "overrideEntries": json.dumps([said] if said else []),
            "overrideReason": 2 if self.window_open else 0,
            "openWindow": int(self.window_open),
            "jLocked": json.dumps({"locked": int(self.locked)}),
        }

"""The inverter's own clock, by which its slots start and end (protocols B.1, E.4)."""

import re
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from pems_core.clock import Clock
from pems_core.domain import NotDelivered
from pems_core.transport.lines import WearBook

from .oig_gateway import Gateway
from .oig_payload import shown

REGISTERS = tuple(f"holding/{address}" for address in range(45, 51))
WALL_CLOCK = re.compile(r"(\d{2,4})-(\d{1,2})-(\d{1,2}) (\d{1,2}):(\d{1,2}):(\d{1,2})")
SYNC_FROM_S = 30.0
SYNC_EVERY = timedelta(days=1)
CLOCK_SET = "clock set"
MOST_OFFSET_S = 60.0
"""Beyond it slots would act at the wrong time (protocols D.6)."""
CHANGE_BEGINS, CHANGE_ENDS = time(1, 50), time(3, 10)
"""Local time in which clocks are put forward or back: the inverter's is left alone (protocols D.3)."""


def offset_s(text: object, zone: ZoneInfo, now: datetime) -> float:
    """How far the inverter's wall clock is ahead of the true one [s].

    An hour that comes twice is taken for the nearer of the two.

    :param text: "YYYY-MM-DD HH:MM:SS"; the year may have two digits (protocols E.4, 54).
    :raises NotDelivered: if it is no time.

    >>> from datetime import UTC
    >>> offset_s("0025-01-10 13:00:05", ZoneInfo("Europe/Prague"), datetime(2025, 1, 10, 12, tzinfo=UTC))
    5.0
    """
    found = WALL_CLOCK.fullmatch(text) if isinstance(text, str) else None
    try:
        year, month, day, hour, minute, second = (int(part) for part in (found.groups() if found else ()))
        wall = datetime(year + 2000 if year < 100 else year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError:
        raise NotDelivered(f'datetime/get: value: found {shown(text)}; "YYYY-MM-DD HH:MM:SS" is needed') from None
    return min(((wall.replace(fold=fold) - now).total_seconds() for fold in (0, 1)), key=abs)


class InverterClock:
    """Measures the inverter's clock, and sets it once a day at most."""

    def __init__(self, gateway: Gateway, clock: Clock, zone: ZoneInfo) -> None:
        self._gateway = gateway
        self._clock = clock
        self._zone = zone
        self._measured_at_s: float | None = None
        self.offset_s = 0.0

    @property
    def now(self) -> datetime:
        """What it shows, as far as it is known."""
        return self._clock.now().astimezone(self._zone) + timedelta(seconds=self.offset_s)

    async def measure(self, max_age_s: float = 0.0) -> float:
        """How far the inverter's clock is ahead [s].

        :raises NotDelivered: if it cannot be read.
        """
        now_s = self._clock.elapsed_s()
        if self._measured_at_s is None or now_s - self._measured_at_s > max_age_s:
            fields = await self._gateway.read("datetime/get")
            self.offset_s = offset_s(fields.get("value"), self._zone, self._clock.now())
            self._measured_at_s = self._clock.elapsed_s()
        return self.offset_s

    async def set_if_needed(self, wear: WearBook, device: str) -> None:
        """Set it if it is off, was not set today, and nobody puts clocks forward or back just now.

        :raises NotDelivered: if it could not be set or read.
        :raises WornOut: if its memory has no writes left today.
        """
        if abs(self.offset_s) <= SYNC_FROM_S or not self._may_set(wear, device):
            return
        wear.spend(device, REGISTERS)
        now = self._clock.now()
        wear.note_done(device, CLOCK_SET, now)
        local = now.astimezone(self._zone) + timedelta(milliseconds=500)
        await self._gateway.read("datetime/set", {"value": f"{local:%Y-%m-%d %H:%M:%S}"})
        await self.measure()

    def _may_set(self, wear: WearBook, device: str) -> bool:
        now = self._clock.now()
        if CHANGE_BEGINS <= now.astimezone(self._zone).time() < CHANGE_ENDS:
            return False
        set_at = wear.last_done(device, CLOCK_SET)
        return set_at is None or now - set_at >= SYNC_EVERY

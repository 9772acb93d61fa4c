"""Says that the house is in good hands: over MQTT, to devices that watch, and to the guard."""

import asyncio
from dataclasses import dataclass
from time import monotonic

from pems_core.domain import NotDelivered, Severity
from pems_core.protocols import Transport

from .live import Live
from .outbox import Outbox
from .state_folder import StateFolder, write_json
from .words import instant

EVERY_S = 20.0
"""[s of the clock]"""
LEAST_WAIT_S = 0.25
"""However fast the clock is [s of the wall]."""
VALID_FOR = 3
"""So many periods a heartbeat is good for."""
STEADY = 0.9
"""Share of its speed from which on a clock is taken to keep it."""
BEAT_WITHIN_S = 5.0
"""How long one transport is waited for [s of the wall]."""


@dataclass
class Heartbeat:
    """Beats for as long as the whole loop is well; when it is not, it says so on MQTT.

    The guard hears as long as PEMS can look after its devices: a search that hangs is not worth giving back what people
    have set. Devices that watch hear only while all is well.
    """

    live: Live
    outbox: Outbox
    folder: StateFolder
    session: str
    count: int = 0
    _speed_now: float | None = None
    _last: tuple[float, float] | None = None
    """[s of the clock], [s of the wall]"""

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            await self.beat()
            await self.live.clock.sleep(self.period_s)

    @property
    def period_s(self) -> float:
        """[s of the clock]"""
        return max(EVERY_S, LEAST_WAIT_S * self.live.clock.speed)

    async def beat(self) -> None:
        """One heartbeat."""
        live = self.live
        faults = live.health.faults
        self.count += 1
        self._speed_now = self._speed()
        live.alerts.set("engine", "; ".join(faults), Severity.CRITICAL)
        self.tell()
        if not live.health.cannot_act:
            self._tell_guard()
        if not faults:
            await asyncio.gather(*(self._tell(transport) for transport in live.transports))

    def tell(self) -> None:
        """Tell over MQTT how PEMS is and what time it has; between two beats too, to one who has just come."""
        faults = self.live.health.faults
        self.outbox.tell(
            "heartbeat",
            {
                "counter": self.count,
                "healthy": not faults,
                "valid_for_s": VALID_FOR * self.period_s,
                "at": instant(self.live.now),
                "speed": self._speed_now or self.live.clock.speed,
                "faults": list(faults),
            },
        )

    def _speed(self) -> float:
        """Seconds of the clock in one of the wall since the last beat: one that waits for a busy machine is slower."""
        clock, now = self.live.clock, (self.live.clock.elapsed_s(), monotonic())
        last, self._last = self._last, now
        if last is None or now[1] - last[1] < LEAST_WAIT_S / 2 or now[0] <= last[0]:
            return clock.speed
        found = (now[0] - last[0]) / (now[1] - last[1])
        return round(found, 2) if found < STEADY * clock.speed else clock.speed

    def _tell_guard(self) -> None:
        # What is commanded stands in the store, too, but only once that could be written.
        live, beat = self.live, {"session": self.session, "count": self.count, "taken": list(self.live.taken)}
        try:
            write_json(self.folder.heartbeat, beat | {"at": instant(live.now)})
        except OSError as fault:
            # The devices hear the heartbeat all the same; a disk that is full is no reason to leave them.
            live.alerts.begin(self.folder.heartbeat.name, str(fault), Severity.CRITICAL)
        else:
            live.alerts.end(self.folder.heartbeat.name)

    async def _tell(self, transport: Transport) -> None:
        place = f"{transport.name} heartbeat"
        try:
            # Not wait_for: before Python 3.12 it can swallow a cancellation that comes together with the end.
            async with asyncio.timeout(BEAT_WITHIN_S):
                await transport.beat(self.count)
        except (NotDelivered, TimeoutError) as fault:
            self.live.alerts.begin(place, str(fault) or f"no end in {BEAT_WITHIN_S:g} s")
        except Exception as error:  # noqa: BLE001 - a plugin's own error takes its heartbeat, not that of others
            self.live.alerts.begin(place, f"{type(error).__name__}: {error}", Severity.CRITICAL)
        else:
            self.live.alerts.end(place)

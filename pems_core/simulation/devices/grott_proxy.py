"""A simulated grott: publishes the datalogger's records with the registers as they are (protocols B.2)."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import aiomqtt

from pems_core.clock import Clock

from .registers import RegisterDevice
from .traps import Traps

INTERVAL_S = 60.0
OUTAGE = timedelta(hours=6)
"""How old the records are that the datalogger sends again while trap 66 plays."""

# Name in grott's record layout of an SPH, input register, number of registers.
RECORD: Mapping[str, tuple[int, int]] = {
    "pvstatus": (0, 1),
    "pvpowerin": (1, 2),
    "pvpowerout": (35, 2),
    "pdischarge1": (1009, 2),
    "p1charge1": (1011, 2),
    "SOC": (1014, 1),
    "pactousertot": (1021, 2),
    "pactogridtot": (1029, 2),
    "plocaloadtot": (1037, 2),
}


class GrottProxy:
    """Publishes a record each minute until cancelled."""

    def __init__(
        self,
        device: RegisterDevice,
        clock: Clock,
        host: str,
        port: int,
        *,
        timezone: str = "UTC",
        topic: str = "energy/growatt",
        serial: str = "TESTSPH001",
        traps: Traps | None = None,
    ) -> None:
        self._device = device
        self._clock = clock
        self._address = (host, port)
        self._zone = ZoneInfo(timezone)
        self._topic = topic
        self._serial = serial
        self.traps = traps if traps is not None else Traps()

    async def run(self) -> None:
        """
        :raises aiomqtt.MqttError: if the broker is away.
        """
        async with aiomqtt.Client(*self._address) as client:
            while True:
                for payload in self._payloads():
                    await client.publish(self._topic, payload, qos=0, retain=False)
                await self._clock.sleep(INTERVAL_S)

    def _payloads(self) -> Iterator[str]:
        """What comes in one turn: while trap 66 plays, an old record before and after the live one."""
        now = self._clock.now()
        if "66" in self.traps:
            yield self._record(now - OUTAGE, "yes", {"SOC": 5})
        yield self._record(now, "no")
        if "66" in self.traps:
            # Not every record of the past is marked.
            yield self._record(now - timedelta(minutes=5), "no", {"SOC": 6})

    def _record(self, at: datetime, buffered: str, instead: Mapping[str, int] | None = None) -> str:
        local = at.astimezone(self._zone).replace(tzinfo=None, microsecond=0)
        values = {name: self._raw(*place) for name, place in RECORD.items()} | dict(instead or {})
        return json.dumps({"device": self._serial, "time": local.isoformat(), "buffered": buffered, "values": values})

    def _raw(self, address: int, words: int) -> int:
        raw = 0
        for word in self._device.read("input", address, words):
            raw = raw << 16 | word
        return raw

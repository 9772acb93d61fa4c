"""What PEMS tells over MQTT: the newest word of each retained topic, and events in their order; nobody waits for it."""

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from pems_core.domain import NotDelivered
from pems_core.transport.lines import MqttLine

MOST_EVENTS = 200
LOOK_EVERY_S = 0.5
"""How often to look whether the line is up again [s of the wall]."""


class Outbox:
    """Told at once, sent by `run`. After each reconnect all retained topics are sent again: the broker may be new.

    :param line: None if the house has no broker; then nobody hears it.
    :param prefix: of every topic, such as `pems/home`.
    """

    def __init__(self, line: MqttLine | None, prefix: str) -> None:
        self._line = line
        self._prefix = prefix
        self._retained: dict[str, str] = {}
        self._unsent: dict[str, None] = {}
        self._events: deque[tuple[str, str]] = deque(maxlen=MOST_EVENTS)
        self._work = asyncio.Event()
        self._connections = 0

    def keep(self, topic: str, content: Mapping[str, Any] | None) -> None:
        """Say what is so from now on, retained; None: nothing any more."""
        text = "" if content is None else as_text(content)
        if self._retained.get(topic) == text:
            return
        self._retained[topic] = text
        self._unsent[topic] = None
        self._work.set()

    def tell(self, topic: str, content: Mapping[str, Any]) -> None:
        """Say once what happened. While the broker is away the oldest is forgotten first."""
        self._events.append((topic, as_text(content)))
        self._work.set()

    @property
    def kept(self) -> Mapping[str, str]:
        """Every retained topic below the prefix with its text; an empty one is cleared."""
        return self._retained

    async def run(self) -> None:
        """Send until cancelled."""
        line = self._line
        while line is not None:
            if not line.connected:
                await asyncio.sleep(LOOK_EVERY_S)
                continue
            if line.connections != self._connections:
                self._connections = line.connections
                self._unsent.update(dict.fromkeys(self._retained))
            try:
                await self._flush(line)
            except NotDelivered:
                await asyncio.sleep(LOOK_EVERY_S)
                continue
            self._work.clear()
            # Not wait_for: before Python 3.12 it can swallow a cancellation that comes together with the event.
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._work.wait()

    async def empty(self, within_s: float) -> None:
        """Wait until all is sent, as `run` does, or so long [s of the wall]."""
        deadline = asyncio.get_running_loop().time() + within_s
        while self._line is not None and (self._unsent or self._events):
            if not self._line.connected or asyncio.get_running_loop().time() > deadline:
                return
            await asyncio.sleep(0.02)

    async def _flush(self, line: MqttLine) -> None:
        """Send all that waits.

        :raises NotDelivered: if the line failed; what was not sent still waits.
        """
        while self._unsent:
            topic = next(iter(self._unsent))
            text = self._retained[topic]
            await line.publish(f"{self._prefix}/{topic}", text, retain=True)
            if self._retained[topic] == text:
                self._unsent.pop(topic, None)
        while self._events:
            topic, text = self._events[0]
            await line.publish(f"{self._prefix}/{topic}", text)
            self._events.popleft()


def as_text(content: Mapping[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))

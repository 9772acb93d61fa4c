"""A Miniserver behind the site's broker: its own MQTT plugin, or a gateway beside it (protocols C.5)."""

from collections.abc import Mapping
from types import MappingProxyType

from pems_core.domain import Command, Severity
from pems_core.transport.lines import Lines, MqttMessage

from .config import HeatingSection
from .conversation import LoxoneTransport
from .encoding import MqttWords
from .image import POINTS
from .values import Unreadable, json_object, switch

SPACING_S = 2.0
"""The Miniserver looks at its subscriptions every 2 s; of two values in between it sees the last (trap 89)."""
SAID: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("temperature", "current"): "temperature",
        ("temperature", "target"): "target",
        ("heating", "state"): "relay",
        **{("heating", what): what for what in ("power_kw", "heat_kwh", "window", "user", "lock")},
    }
)
"""By the parts of a topic around the room: what is said there."""
IN_STATUS = tuple(what for what in POINTS if what != "ignored")
"""What may stand in the one JSON object of `heating/{room}/status`."""
CELSIUS = ("celsius", "°C", "C")


class LoxoneMqtt(LoxoneTransport):
    """Listens to `{prefix}/#`, and publishes commands that are never retained: nobody there checks their age."""

    def __init__(self, device: str, settings: HeatingSection, words: MqttWords) -> None:
        super().__init__(device, settings, words, words.wish)
        self._prefix = words.prefix
        self._next_s: dict[str, float] = {}
        self._connections = 0

    async def run(self, lines: Lines) -> None:
        """See `Transport`.

        :raises ConfigError: if the house file names no broker.
        """
        self._running = lines
        async with lines.mqtt.messages(f"{self._prefix}/#") as messages:
            async for message in messages:
                await self._take(message)

    async def beat(self, count: int) -> None:
        """See `Transport`. A counter, because a gateway does not forward what does not change (trap 86)."""
        await self.lines.mqtt.publish(f"{self._prefix}/heartbeat", str(count))
        self.image.beaten(self.now())

    async def _write(self, command: Command) -> None:
        clock = self.lines.clock
        wait_s = self._next_s.get(command.address, 0.0) - clock.elapsed_s()
        if wait_s > 0:
            await clock.sleep(wait_s)
        self._next_s[command.address] = clock.elapsed_s() + SPACING_S
        await self.lines.mqtt.publish(command.address, command.payload, retain=False)

    async def _take(self, message: MqttMessage) -> None:
        if self.lines.mqtt.connections != self._connections:
            self._connections = self.lines.mqtt.connections
            self.image.new_session()
        try:
            await self._hear(message)
        except Unreadable as unreadable:
            self.image.refuse(unreadable, message.topic, message.received_at)
        await self.catch_up()

    async def _hear(self, message: MqttMessage) -> None:
        parts = message.topic.removeprefix(f"{self._prefix}/").split("/")
        if parts == ["pems_ok"]:
            await self._hear_ok(message)
        elif parts == ["status"]:
            self._hear_status(message)
        elif len(parts) == 3 and parts[1] in self.image.rooms:
            self._hear_room(message, *parts)

    async def _hear_ok(self, message: MqttMessage) -> None:
        if message.retained:
            return
        ok = switch(message.topic, _text(message))
        self.image.alarms.clear("unreadable", place=message.topic)
        if not ok and self.image.ok:
            self.image.new_session()
            self.wishes.forget()
        if self.image.hear_ok(ok, message.received_at):
            await self.came_back()

    def _hear_status(self, message: MqttMessage) -> None:
        """`online`, or `offline` as the last will of the Miniserver's client or of its gateway."""
        offline = _text(message).strip().lower() in ("offline", "disconnected")
        if offline:
            self.image.new_session()
            text = "the Miniserver has left the broker: rooms are under its own control"
            self.image.alarms.put("offline", text, message.received_at, Severity.CRITICAL, place=self._device)
        else:
            self.image.alarms.clear("offline", place=self._device)

    def _hear_room(self, message: MqttMessage, kind: str, room: str, what: str) -> None:
        if (kind, what) == ("heating", "status"):
            for key, value in json_object(message.topic, _text(message)).items():
                if key in IN_STATUS:
                    self._note(message, room, key, value, f"{message.topic}.{key}")
        elif (kind, what) in SAID:
            said = SAID[kind, what]
            self._note(message, room, said, _said(message, "temperature" if kind == "temperature" else said))

    def _note(self, message: MqttMessage, room: str, what: str, value: object, place: str = "") -> None:
        at = message.received_at
        self.image.hear(room, what, value, at, place=place or message.topic, received_at=at, old=message.retained)


def _text(message: MqttMessage) -> str:
    try:
        return message.payload.decode()
    except UnicodeDecodeError:
        raise Unreadable(message.topic, message.payload, "UTF-8 text") from None


def _said(message: MqttMessage, key: str) -> object:
    """The value of a payload that is a plain word, or a JSON object with it under `key`."""
    text = _text(message)
    if not text.lstrip().startswith("{"):
        return text
    said = json_object(message.topic, text)
    unit = said.get("unit", "celsius")
    if key == "temperature" and unit not in CELSIUS:
        raise Unreadable(message.topic, unit, 'the unit "celsius"')
    if key not in said:
        raise Unreadable(message.topic, text, f'an object with "{key}"')
    return said[key]

"""A simulated Miniserver at a broker: its native MQTT plugin, or a gateway beside it (protocols C.5)."""

import asyncio
import json
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import aiomqtt

from pems_core.transport.dialogue import together

from .miniserver import LOOK_S, Miniserver, Power, look_again

LOOKS_EVERY_S = 2.0
"""The plugin looks at its subscriptions so often, and sees the last value only (trap 89)."""
ALL_EVERY_S = 300.0
OK_EVERY_S = 60.0
GATEWAY_CHECKS_EVERY_S = 300.0
"""How often the gateway looks whether the Miniserver has rebooted; then, and each hour, it sends all it knows."""
GATEWAY_ALL_EVERY_S = 3600.0


class GatewayCache:
    """Forwards only what has changed (trap 86)."""

    def __init__(self, miniserver: Miniserver, deliver: Callable[[str, str], None]) -> None:
        self._miniserver = miniserver
        self._deliver = deliver
        self._cache: dict[str, str] = {}
        self._boots = miniserver.boots
        self._checked_s = self._sent_s = miniserver.clock.elapsed_s()

    def forward(self, topic: str, payload: str) -> None:
        if self._cache.get(topic) != payload:
            self._cache[topic] = payload
            self._deliver(topic, payload)

    def tend(self) -> None:
        """Look after the Miniserver, and send it everything when that is due."""
        now_s = self._miniserver.clock.elapsed_s()
        rebooted = False
        if now_s - self._checked_s >= GATEWAY_CHECKS_EVERY_S:
            rebooted, self._boots, self._checked_s = (
                self._boots != self._miniserver.boots,
                self._miniserver.boots,
                now_s,
            )
        if rebooted or now_s - self._sent_s >= GATEWAY_ALL_EVERY_S:
            self._sent_s = now_s
            for topic, payload in self._cache.items():
                self._deliver(topic, payload)


class MiniserverMqtt:
    """Subscribes to PEMS's wishes and heartbeat; tells what changes, everything each 5 min, PEMS_OK each minute."""

    def __init__(
        self, miniserver: Miniserver, url: str, *, prefix: str = "loxone", gateway: bool = False, as_json: bool = False
    ) -> None:
        """
        :param url: `mqtt://host:port`.
        :param gateway: with a LoxBerry and its cache in between, which trap 86 needs.
        :param as_json: temperatures are told as objects.
        """
        self._miniserver = miniserver
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "localhost", parts.port or 1883
        self._prefix = prefix
        self._as_json = as_json
        self._gateway = GatewayCache(miniserver, self._hear) if gateway else None
        self._waiting: dict[str, str] = {}
        self._told: dict[str, str] = {}
        self._all_s = self._ok_s = 0.0
        self.subscribed = False
        """It is at the broker and hears what is said."""
        self.heard: list[tuple[str, str]] = []
        """Topic and payload of each value that the program saw, in order."""
        self.retained: list[str] = []
        """Topics on which something retained arrived: commands of any age."""

    async def run(self) -> None:
        """Be at the broker whenever the Miniserver runs, until cancelled."""
        while True:
            await self._until(Power.READY)
            try:
                await self._session()
            except aiomqtt.MqttError:
                # A client that is cancelled while it disconnects may raise this in place of the cancellation.
                if (task := asyncio.current_task()) is not None and task.cancelling():
                    raise asyncio.CancelledError from None
                await look_again(self._miniserver.clock, LOOKS_EVERY_S)

    async def _until(self, power: Power) -> None:
        while self._miniserver.power is not power:
            await look_again(self._miniserver.clock, LOOK_S)

    async def _session(self) -> None:
        """From connecting to a reboot or the broker's end.

        :raises MqttError: when the broker is lost.
        """
        status = f"{self._prefix}/status"
        will = aiomqtt.Will(status, "offline", qos=1, retain=True)
        self._told.clear()
        self._waiting.clear()
        async with aiomqtt.Client(self._host, self._port, will=will) as client:
            for topic in ("heating/+/set", "temperature/+/setpoint", "heartbeat"):
                await client.subscribe(f"{self._prefix}/{topic}", qos=1)
            await client.publish(status, "online", qos=1, retain=True)
            self.subscribed = True
            try:
                await together(self._listen(client), self._program(client))
            except* aiomqtt.MqttError as errors:
                raise aiomqtt.MqttError(str(errors.exceptions[0])) from errors
            except* _RebootedError:
                await client.publish(status, "offline", qos=1, retain=True)
            finally:
                self.subscribed = False

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            topic, payload = str(message.topic), bytes(message.payload).decode(errors="replace")
            if message.retain:
                self.retained.append(topic)
            if self._gateway is not None:
                self._gateway.forward(topic, payload)
            else:
                self._waiting[topic] = payload

    async def _program(self, client: aiomqtt.Client) -> None:
        while self._miniserver.power is Power.READY:
            waiting, self._waiting = self._waiting, {}
            for topic, payload in waiting.items():
                self._hear(topic, payload)
            if self._gateway is not None:
                self._gateway.tend()
            await self._tell(client)
            await look_again(self._miniserver.clock, LOOKS_EVERY_S)
        raise _RebootedError

    def _hear(self, topic: str, payload: str) -> None:
        """Command recognition: takes what it knows out of the text, and nothing else."""
        self.heard.append((topic, payload))
        parts = topic.removeprefix(f"{self._prefix}/").split("/")
        if parts == ["heartbeat"] and payload.isdigit():
            self._miniserver.hear_beat(float(payload))
            return
        said = _object(payload)
        if len(parts) != 3 or parts[1] not in self._miniserver.rooms:
            return
        room, state = parts[1], said.get("state")
        if parts[0] == "heating" and state in ("on", "off", "auto"):
            self._miniserver.set_relay(room, {"on": 1.0, "off": 0.0, "auto": -1.0}[str(state)])
        elif parts[0] == "temperature":
            celsius = said.get("target_temperature")
            if isinstance(celsius, int | float) or state == "auto":
                self._miniserver.set_setpoint(room, float(celsius) if isinstance(celsius, int | float) else 0.0)

    async def _tell(self, client: aiomqtt.Client) -> None:
        now_s = self._miniserver.clock.elapsed_s()
        everything = now_s - self._all_s >= ALL_EVERY_S
        if everything:
            self._all_s = now_s
        for topic, payload in self._values():
            is_ok = topic.endswith("/pems_ok")
            if everything or self._told.get(topic) != payload or (is_ok and now_s - self._ok_s >= OK_EVERY_S):
                self._told[topic] = payload
                self._ok_s = now_s if is_ok else self._ok_s
                await client.publish(topic, payload)

    def _values(self) -> Iterator[tuple[str, str]]:
        for name in self._miniserver.rooms:
            view = self._miniserver.view(name)
            yield f"{self._prefix}/temperature/{name}/current", self._temperature(view.temperature_c)
            yield f"{self._prefix}/temperature/{name}/target", self._temperature(view.target_c)
            heating = f"{self._prefix}/heating/{name}"
            yield f"{heating}/state", "on" if view.relay else "off"
            yield f"{heating}/power_kw", f"{view.power_kw:g}"
            yield f"{heating}/heat_kwh", f"{view.heat_kwh:g}"
            for what, flag in (("window", view.window), ("user", view.user), ("lock", view.lock)):
                yield f"{heating}/{what}", str(int(flag))
        # Last, so that whoever hears it has heard what it vouches for.
        yield f"{self._prefix}/pems_ok", str(int(self._miniserver.pems_ok))

    def _temperature(self, celsius: float) -> str:
        if "88" in self._miniserver.traps:
            return f"{celsius:.1f} °C".replace(".", ",")
        return json.dumps({"temperature": celsius, "unit": "celsius"}) if self._as_json else f"{celsius:g}"


class _RebootedError(Exception):
    """The Miniserver stops in the middle of a session."""


def _object(payload: str) -> dict[str, object]:
    try:
        said = json.loads(payload)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}

"""A simulated OpenInverterGateway stick: a real MQTT client in front of a simulated inverter's registers.

Written from protocols B.1, not from what PEMS expects. What the stick always does (retained replies, packets of more
than 256 bytes that vanish, `export/*` that make the inverter measure by RS485) it does without being told; other
misbehaviour is played as a trap of protocols E.5.
"""

import asyncio
import json
import random
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import aiomqtt

from pems_core.clock import Clock
from pems_core.transport.lines import Space

from .oig_tables import TELEMETRY, Build, Field
from .registers import ModbusException, RegisterDevice
from .traps import Traps

REFRESH_S = 5.0
RECONNECT_S = 5.0
BUFFER_BYTES = 256
LAST_WILL = '{"InverterStatus": -1 }'
LOST_SHARE = 0.02
SWAP_WINDOW_S = 0.2
"""Of the wall: how long the stick waits for a second request whose reply it can swap (trap 60)."""

Request = Mapping[str, object]
Result = dict[str, object]


class Failed(Exception):
    """The request is answered with `success: false` and this message."""


@dataclass(frozen=True)
class Heard:
    """One packet on the command topic."""

    name: str
    payload: bytes
    retained: bool


class OigStick:
    """Runs until cancelled; the broker may come and go."""

    def __init__(
        self,
        device: RegisterDevice,
        clock: Clock,
        host: str,
        port: int,
        *,
        build: Build = "124",
        base: str = "energy/solar",
        traps: Traps | None = None,
        seed: int = 0,
    ) -> None:
        self._device = device
        self._clock = clock
        self._host = host
        self._port = port
        self.build = build
        self._base = base
        self.traps = traps if traps is not None else Traps()
        self._random = random.Random(seed)  # noqa: S311 (no secret)
        self.lost_share = LOST_SHARE
        """Of telemetry and results, while trap 61 plays."""
        self.heard: list[Heard] = []
        """Every packet that fitted the buffer, in order."""
        self.most_waiting = 0
        """Most requests that ever waited for their reply at once."""
        self._count = 0
        self._began_s = clock.elapsed_s()
        self._payload = ""
        self._results: dict[str, str] = {}
        self._waiting: list[Heard] = []
        self._to_lose: dict[str, bool] = {}
        self._modbus = asyncio.Lock()
        self._commands = _commands(build)
        self._client: aiomqtt.Client | None = None
        self.connected = asyncio.Event()

    def lose_next(self, name: str, *, executed: bool = True) -> None:
        """The next request of that name gets no reply.

        :param executed: it is carried out nevertheless; otherwise it never came.
        """
        self._to_lose[name] = executed

    @property
    def waits_to_lose(self) -> bool:
        """A request that shall be lost has not come yet."""
        return bool(self._to_lose)

    async def run(self) -> None:
        """Keep connected, publish and answer, until cancelled."""
        while True:
            if "58" not in self.traps:
                try:
                    await self._one_connection()
                except* (aiomqtt.MqttError, OSError):
                    # The broker is away, or the connection was cut: as the stick, try again in a while.
                    self._client = None
                # What goes wrong while it disconnects must not hide that it shall end.
                if (task := asyncio.current_task()) is not None and task.cancelling():
                    raise asyncio.CancelledError
            self.connected.clear()
            await self._clock.sleep(RECONNECT_S)

    def restart(self) -> None:
        """Boot: counters begin anew, and what was retained for it is heard again at the next connection."""
        self._count = 0
        self._began_s = self._clock.elapsed_s()
        self.cut()

    def cut(self) -> None:
        """Lose the connection without a word: the broker publishes the last will."""
        client = self._client
        sock = client._client.socket() if client is not None else None  # noqa: SLF001 (no public way to die)
        if isinstance(sock, socket.socket):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    async def _one_connection(self) -> None:
        will = aiomqtt.Will(self._base, LAST_WILL, qos=1, retain=True)
        async with aiomqtt.Client(self._host, self._port, will=will, clean_session=True, timeout=5) as client:
            self._client = client
            await client.subscribe(f"{self._base}/command/#", qos=1)
            self.connected.set()
            async with asyncio.TaskGroup() as group:
                publishing = group.create_task(self._publish_forever(client))
                try:
                    async for message in client.messages:
                        payload = bytes(message.payload)
                        group.create_task(self._answer(client, message.topic.value, payload, message.retain))
                finally:
                    publishing.cancel()

    # Telemetry

    async def _publish_forever(self, client: aiomqtt.Client) -> None:
        while True:
            if "58" in self.traps:
                self.cut()
            for _ in range(2 if "65" in self.traps else 1):
                await self._publish(client)
            await self._clock.sleep(REFRESH_S)

    async def _publish(self, client: aiomqtt.Client) -> None:
        if "57" not in self.traps or not self._payload:
            async with self._modbus:
                payload = self._poll()
            if payload is None or "70" in self.traps:
                return
            self._payload = payload
        if not self._lost():
            await client.publish(self._base, self._payload, qos=0, retain=True)

    def _poll(self) -> str | None:
        """Telemetry as JSON; None if any part of it could not be read: then nothing is published."""
        try:
            fields: dict[str, object] = {field.name: self._value(field) for field in TELEMETRY[self.build]}
        except (ModbusException, Failed):
            return None
        if "65" not in self.traps or self._count % 2 == 0:
            self._count += 1
        uptime_s = int(self._clock.elapsed_s() - self._began_s)
        fields |= {
            "Mac": "AA:BB:CC:DD:EE:FF",
            "Cnt": self._count,
            "Uptime": uptime_s,
            "WifiRSSI": -61,
            "HeapFree": 24328,
        }
        if "71" in self.traps:
            fields |= {"SOC": str(fields["SOC"]), "BatteryTemperature": None, "ChargePower": float("nan")}
            del fields["DischargePower"]
        return json.dumps(fields)

    def _value(self, field: Field) -> float:
        raw = 0
        for word in self._read(field.space, field.address, field.words):
            raw = raw << 16 | word
        if field.signed and raw >= 1 << (16 * field.words - 1):
            raw -= 1 << (16 * field.words)
        if field.mask is not None:
            raw = (raw & field.mask) >> field.shift
        return raw if field.scale == 1 else round(raw * field.scale, 3)

    def _lost(self) -> bool:
        return "61" in self.traps and self._random.random() < self.lost_share

    # Requests and replies

    async def _answer(self, client: aiomqtt.Client, topic: str, payload: bytes, retained: bool) -> None:
        if len(topic.encode()) + len(payload) > BUFFER_BYTES:
            return
        heard = Heard(topic.removeprefix(f"{self._base}/command/"), payload, retained)
        executed = self._to_lose.pop(heard.name, None)
        if executed is False:
            return
        self.heard.append(heard)
        self._waiting.append(heard)
        self.most_waiting = max(self.most_waiting, len(self._waiting))
        try:
            for _ in range(2 if "65" in self.traps else 1):
                async with self._modbus:
                    result = self._result(heard)
                if executed is None:
                    await self._reply(client, heard, result)
        finally:
            self._waiting.remove(heard)

    async def _reply(self, client: aiomqtt.Client, heard: Heard, result: Result) -> None:
        topic = f"{self._base}/result"
        if "60" in self.traps:
            await asyncio.sleep(SWAP_WINDOW_S)
            self._swap(heard, result)
        if "59" in self.traps and heard.name in self._results:
            await client.publish(topic, self._results[heard.name], qos=0, retain=True)
        self._results[heard.name] = json.dumps(result)
        if not self._lost():
            await client.publish(topic, self._results[heard.name], qos=0, retain=True)

    def _swap(self, heard: Heard, result: Result) -> None:
        other = next((o for o in self._waiting if o is not heard and o.name == heard.name), None)
        if other is not None:
            with suppress(ValueError):
                result["correlationId"] = json.loads(other.payload).get("correlationId")

    def _result(self, heard: Heard) -> Result:
        result: Result = {}
        success, message = False, ""
        try:
            request = _parsed(heard.payload)
            if "correlationId" in request:
                result["correlationId"] = str(request["correlationId"])
            result |= self._carry_out(heard.name, request)
            success, message = True, "success"
        except Failed as failure:
            message = str(failure)
        except ModbusException:
            message = "Modbus request failed"
        return {**result, "command": heard.name, "success": success, "message": message}

    def _carry_out(self, name: str, request: Request) -> Result:
        if name not in self._commands:
            raise Failed(f"Unknown command: {name}")
        return self._commands[name](self, request)

    # The inverter behind it

    def _read(self, space: Space, address: int, count: int) -> Sequence[int]:
        if not self._device.answers:
            raise Failed("Failed to read register")
        return self._device.read(space, address, count)

    def _write(self, address: int, values: Sequence[int], *, single: bool) -> None:
        if not self._device.answers:
            raise Failed("Failed to write register")
        if "64" in self.traps:
            return
        self._device.write(address, values, single)
        if self.build == "307" and list(self._read("holding", address, len(values))) != list(values):
            raise Failed("verify failed")

    # Commands

    def echo(self, request: Request) -> Result:
        return {"text": f"Echo: {_required(request, 'text')}"}

    def list_commands(self, request: Request) -> Result:
        return {"commands": sorted(self._commands)}

    def modbus_get(self, request: Request) -> Result:
        address, kind = _u16(_required(request, "id")), _required(request, "type")
        space: Space = "input" if _required(request, "registerType") == "I" else "holding"
        if kind not in ("16b", "32b"):
            raise Failed("'type' must be '16b' or '32b'")
        words = self._read(space, address, 1 if kind == "16b" else 2)
        return {"value": words[0] if kind == "16b" else words[0] << 16 | words[1]}

    def modbus_set(self, request: Request) -> Result:
        if _required(request, "type") != "16b" or _required(request, "registerType") != "H":
            raise Failed("only 16b holding registers can be written")
        self._write(_u16(_required(request, "id")), [_u16(_required(request, "value"))], single=True)
        return {}

    def datetime_get(self, request: Request) -> Result:
        year, *rest = self._read("holding", 45, 6)
        month, day, hour, minute, second = rest
        return {"value": f"{year:04d}-{month:02d}-{day:02d} {hour:02d}:{minute:02d}:{second:02d}"}

    def datetime_set(self, request: Request) -> Result:
        text = str(_required(request, "value"))
        if len(text) != 19:
            raise Failed("Invalid datetime format")
        try:
            at = datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 (the inverter's wall clock)
        except ValueError:
            raise Failed("Invalid datetime format") from None
        self._write(45, [at.year - 2000, at.month, at.day, at.hour, at.minute, at.second], single=False)
        return {}

    def get_active_rate(self, request: Request) -> Result:
        return {"value": self._read("holding", 3, 1)[0]}

    def set_active_rate(self, request: Request) -> Result:
        value = _u16(_required(request, "value"))
        if value > 100 and value != 255:
            raise Failed("'value' field not in range")
        self._write(3, [value], single=True)
        return {}

    def battery_first(self, request: Request) -> Result:
        rate, stop_soc, ac_charge = self._read("holding", 1090, 3)
        return {
            "powerRate": rate,
            "stopSOC": stop_soc,
            "acChargeEnabled": ac_charge == 1,
            "timeSlots": _slots(self._read("holding", 1100, 9)),
        }

    def grid_first(self, request: Request) -> Result:
        rate, stop_soc = self._read("holding", 1070, 2)
        return {"powerRate": rate, "stopSOC": stop_soc, "timeSlots": _slots(self._read("holding", 1080, 9))}

    def set_export(self, limit: int) -> None:
        if self._read("holding", 122, 1)[0] != 1:
            self._write(122, [1], single=True)
        self._write(123, [limit], single=True)

    def enable_export(self, request: Request) -> Result:
        self.set_export(1000)
        return {}

    def disable_export(self, request: Request) -> Result:
        self.set_export(0)
        return {}

    def set_slot(self, first: int, request: Request) -> None:
        start, stop = (_hhmm(_required(request, key)) for key in ("start", "stop"))
        enabled, slot = bool(_required(request, "enabled")), _u16(_required(request, "slot"))
        if not 1 <= slot <= 3:
            raise Failed("Invalid slot number, must be between 1 and 3")
        self._write(first + 3 * (slot - 1), [start, stop, int(enabled)], single=False)

    def set_battery_first_slot(self, request: Request) -> Result:
        self.set_slot(1100, request)
        return {}

    def set_grid_first_slot(self, request: Request) -> Result:
        self.set_slot(1080, request)
        return {}

    def set_priority(self, request: Request) -> Result:
        mode = _u16(_required(request, "mode"))
        words: Mapping[int, Sequence[int]] = {0: (0, 0), 1: (40960, 5947), 2: (49152, 5947)}
        if mode not in words:
            raise Failed("Invalid priority mode")
        self._write(3038, words[mode], single=False)
        return {}

    def set_register(self, address: int, request: Request, highest: int = 0xFFFF) -> Result:
        value = _u16(_required(request, "value"))
        if value > highest:
            raise Failed("'value' field not in range")
        self._write(address, [value], single=True)
        return {}


Handler = Callable[[OigStick, Request], Result]


def _register(address: int, highest: int = 0xFFFF) -> Handler:
    return lambda stick, request: stick.set_register(address, request, highest)


def _commands(build: Build) -> Mapping[str, Handler]:
    common: dict[str, Handler] = {
        "echo": OigStick.echo,
        "list": OigStick.list_commands,
        "modbus/get": OigStick.modbus_get,
        "modbus/set": OigStick.modbus_set,
        "datetime/get": OigStick.datetime_get,
        "datetime/set": OigStick.datetime_set,
        "power/get/activerate": OigStick.get_active_rate,
        "power/set/activerate": OigStick.set_active_rate,
    }
    if build == "3000":
        return common | {
            "bdc/set/dischargestopsoc": _register(3037, 100),
            "bdc/set/dischargepowerrate": _register(3036, 100),
            "bdc/set/chargestopsoc": _register(3048, 100),
            "bdc/set/chargepowerrate": _register(3047, 100),
            "bdc/set/acchargeenabled": _register(3049),
            "priority/set": OigStick.set_priority,
        }
    sph: dict[str, Handler] = {
        "batteryfirst/get": OigStick.battery_first,
        "batteryfirst/set/powerrate": _register(1090),
        "batteryfirst/set/stopsoc": _register(1091),
        "batteryfirst/set/acchargeenabled": _register(1092),
        "batteryfirst/set/timeslot": OigStick.set_battery_first_slot,
        "gridfirst/get": OigStick.grid_first,
        "gridfirst/set/powerrate": _register(1070),
        "gridfirst/set/stopsoc": _register(1071),
        "gridfirst/set/timeslot": OigStick.set_grid_first_slot,
        "export/enable": OigStick.enable_export,
        "export/disable": OigStick.disable_export,
    }
    if build == "307":
        sph["loadfirst/set/stopsoc"] = _register(608)
    return common | sph


def _parsed(payload: bytes) -> Request:
    if not payload:
        raise Failed("Failed to parse JSON request: EmptyInput")
    try:
        request = json.loads(payload)
    except ValueError:
        raise Failed("Failed to parse JSON request: InvalidInput") from None
    return request if isinstance(request, dict) else {}


def _required(request: Request, key: str) -> object:
    if key not in request:
        raise Failed(f"'{key}' field is required")
    return request[key]


def _u16(value: object) -> int:
    """Converted as leniently as the firmware does: what is no number becomes 0."""
    if isinstance(value, bool | int) and 0 <= value <= 0xFFFF:
        return int(value)
    return 0


def _hhmm(text: object) -> int:
    if not isinstance(text, str) or len(text) != 5 or text[2] != ":" or not (text[:2] + text[3:]).isdigit():
        raise Failed("Invalid time format (must be HH:MM)")
    return int(text[:2]) << 8 | int(text[3:])


def _slots(words: Sequence[int]) -> list[dict[str, object]]:
    return [
        {
            "slot": number + 1,
            "start": f"{words[3 * number] >> 8:02d}:{words[3 * number] & 0xFF:02d}",
            "stop": f"{words[3 * number + 1] >> 8:02d}:{words[3 * number + 1] & 0xFF:02d}",
            "enabled": words[3 * number + 2] == 1,
        }
        for number in range(3)
    ]

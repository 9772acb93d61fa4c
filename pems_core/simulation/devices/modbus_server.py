"""A simulated Modbus device behind a real socket: Modbus TCP, or RTU frames over TCP or a serial line."""

import asyncio
import struct
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Self

from pems_core.clock import Clock
from pems_core.transport.lines import Space

from .modbus_frames import WRITE_MANY, Frame, Framing, RtuFraming, TcpFraming
from .modbus_wire_traps import WireTraps, WireTrapTerms
from .registers import MOST_REGISTERS, OUT_OF_RANGE, UNDEFINED_FUNCTION, ModbusException, RegisterDevice
from .traps import Traps

READS: dict[int, Space] = {3: "holding", 4: "input"}
WRITE_ONE = 6
FRAMINGS: dict[str, type[TcpFraming] | type[RtuFraming]] = {"tcp": TcpFraming, "rtu": RtuFraming}


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked for."""

    at_s: float
    """When it came: `elapsed_s` of the clock."""
    unit: int
    function: int
    address: int
    count: int
    values: tuple[int, ...] = ()
    """What was to be written; empty for a read."""
    executed: bool = False
    """It reached the device, whatever became of the answer."""


class ModbusServer:
    """Serves a device to any number of clients and plays traps 7 to 16 on the wire.

    Trap 5 (exceptions) is the device's own; trap 6 is that of a `RegisterBank`.
    """

    def __init__(
        self,
        device: RegisterDevice,
        clock: Clock,
        traps: Traps | None = None,
        *,
        framing: Literal["tcp", "rtu"] = "tcp",
        port: int = 0,
        units: Collection[int] = (1,),
        terms: WireTrapTerms | None = None,
        seed: int = 0,
    ) -> None:
        """
        :param port: on the loopback; 0 for a free one, see `port` then.
        :param units: to which the device answers.
        :param terms: by how much the traps are played.
        :param seed: of what the traps leave to chance.
        """
        self.port = port
        self.log: list[Request] = []
        """All requests that came in whole, oldest first."""
        self.connections = 0
        """How many there have been."""
        self._device = device
        self._clock = clock
        self._wire = WireTraps(clock, traps if traps is not None else Traps(), terms or WireTrapTerms(), seed)
        self._framing: Framing = FRAMINGS[framing]()
        self._units = units
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._newest: asyncio.StreamWriter | None = None
        self._late: asyncio.Task[None] | None = None
        self._behind_late: list[bytes] = []
        self._serving: set[asyncio.Task[object]] = set()

    @property
    def writes(self) -> Sequence[Request]:
        """The writes that reached the device, oldest first."""
        return [request for request in self.log if request.values and request.executed]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self.serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._late is not None:
            self._late.cancel()
        if self._server is not None:
            self._server.close()
            self.drop_connections()
            # A closed server does not wait for what its connections still do.
            if self._serving:
                await asyncio.wait(self._serving)
            await self._server.wait_closed()

    def drop_connections(self) -> None:
        """End every connection, as a gateway that restarts."""
        for writer in tuple(self._writers):
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection, or a serial line, until its end."""
        self.connections += 1
        task = asyncio.current_task()
        if task is not None:
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        self._writers.add(writer)
        self._newest = writer
        try:
            with suppress(asyncio.IncompleteReadError, OSError):
                await self._converse(reader, writer)
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        last_s = self._clock.elapsed_s()
        while True:
            frame = await self._framing.receive(reader)
            now_s = self._clock.elapsed_s()
            idle_s, last_s = now_s - last_s, now_s
            if frame is None:
                continue
            if self._wire.forgot(idle_s):
                self._note(frame, executed=False)
                return
            if (body := self._answer(frame)) is not None:
                self._reply(writer, Frame(frame.unit, body, frame.transaction))
                await writer.drain()

    def _answer(self, frame: Frame) -> bytes | None:
        too_fast = self._wire.too_fast()
        deaf = too_fast or self._wire.hangs(self.connections) or not self._device.answers
        if deaf or frame.unit not in self._units:
            self._note(frame, executed=False)
            return None
        self._note(frame, executed=True)
        function = frame.body[0]
        try:
            body = self._execute(function, frame.body)
        except ModbusException as refused:
            body = bytes([function | 0x80, refused.code])
        return None if self._wire.loses_answer(write=function not in READS) else body

    def _execute(self, function: int, body: bytes) -> bytes:
        """The answer's function code and data."""
        if function in READS:
            return bytes([function]) + self._read(READS[function], body)
        address, count, values = _fields(body)
        if not values:
            raise ModbusException(UNDEFINED_FUNCTION)
        if len(values) != count:
            raise ModbusException(OUT_OF_RANGE)
        self._device.write(address, values, function == WRITE_ONE)
        return self._wire.write_echo(body[:5])

    def _read(self, space: Space, body: bytes) -> bytes:
        address, count, _ = _fields(body)
        if not 1 <= count <= MOST_REGISTERS:
            raise ModbusException(OUT_OF_RANGE)
        words = struct.pack(f">{count}H", *self._device.read(space, address, count))
        sent = self._wire.read_answer(words)
        return bytes([len(sent)]) + sent

    def _reply(self, writer: asyncio.StreamWriter, frame: Frame) -> None:
        wire = self._framing.wrap(frame)
        if self._wire.talks_over():
            wire = self._wire.noise() or self._framing.damage(wire)
        late_s = self._wire.late_s()
        if self._late is not None and not self._late.done():
            self._behind_late.append(wire)
        elif late_s:
            self._behind_late = [wire]
            self._late = asyncio.create_task(self._reply_late(late_s))
        else:
            writer.write(wire)

    async def _reply_late(self, late_s: float) -> None:
        """In order, to whoever is connected by then: a transparent gateway does not know whom an answer is for."""
        await asyncio.sleep(late_s)
        while self._behind_late:
            wire = self._behind_late.pop(0)
            if self._newest in self._writers and self._newest is not None:
                self._newest.write(wire)
            await asyncio.sleep(self._wire.terms.behind_s)

    def _note(self, frame: Frame, *, executed: bool) -> None:
        address, count, values = _fields(frame.body)
        self.log.append(Request(self._clock.elapsed_s(), frame.unit, frame.body[0], address, count, values, executed))


def _fields(body: bytes) -> tuple[int, int, tuple[int, ...]]:
    """Address, count and the values to write of a request; zeros where it has none."""
    if len(body) < 5:
        return 0, 0, ()
    address, count = struct.unpack(">HH", body[1:5])
    if body[0] == WRITE_ONE:
        return address, 1, (count,)
    if body[0] == WRITE_MANY:
        data = body[6:]
        return address, count, struct.unpack(f">{len(data) // 2}H", data[: len(data) // 2 * 2])
    return address, count, ()

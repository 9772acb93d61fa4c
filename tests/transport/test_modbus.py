"""Modbus lines to a well-behaved unit, to none, and to one that talks nonsense."""

import asyncio
import contextlib
import os
import struct
import tty
from collections.abc import Sequence
from itertools import pairwise
from time import monotonic

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pems_core.clock import FastClock
from pems_core.domain import NotDelivered
from pems_core.simulation.devices.modbus_frames import crc16
from pems_core.simulation.devices.modbus_server import ModbusServer
from pems_core.simulation.devices.modbus_wire_traps import WireTrapTerms
from pems_core.simulation.devices.registers import ModbusException, RegisterBank
from pems_core.transport.lines import ModbusLine, ModbusRefused, NoAnswer
from pems_core.transport.modbus import ModbusConnection
from pems_core.transport.modbus_address import SerialAddress, TcpAddress, parse_address
from tests.brokers import free_port

from .modbus_units import START, Framing, bank, until, url, wired

both = pytest.mark.parametrize("framing", ["tcp", "rtu"])


class Refusing(RegisterBank):
    """Refuses with codes in turn; None answers."""

    def __init__(self, *codes: int | None) -> None:
        super().__init__({"holding": [range(10)], "input": [range(10)]})
        self.codes = list(codes)

    def refresh(self) -> None:
        code = self.codes.pop(0)
        if code is not None:
            raise ModbusException(code)

    def check(self, address: int, values: Sequence[int], single: bool) -> None:
        self.refresh()


@both
async def test_reads_the_registers_of_the_space_that_was_asked_for(framing: Framing) -> None:
    async with wired(framing) as unit:
        assert await unit.line.read("input", 1090, 3) == (11090, 11091, 11092)
        assert await unit.line.read("holding", 1090, 1) == (1090,)


@both
async def test_writes_one_by_function_6_and_many_by_function_16(framing: Framing) -> None:
    async with wired(framing) as unit:
        await unit.line.write(3, [40], single=True)
        await unit.line.write(1100, [0, 0x173B, 1])
        assert [(r.function, r.address, r.values) for r in unit.server.log] == [
            (6, 3, (40,)),
            (16, 1100, (0, 0x173B, 1)),
        ]
        assert await unit.line.read("holding", 1100, 3) == (0, 0x173B, 1)


@both
async def test_reads_as_many_registers_as_a_frame_holds(framing: Framing) -> None:
    async with wired(framing) as unit:
        assert await unit.line.read("input", 0, 125) == tuple(range(10000, 10125))


async def test_is_a_line_as_transports_know_it() -> None:
    async with wired() as unit:
        known: ModbusLine = unit.line
        assert await known.read("holding", 7, 1) == (7,)


@both
async def test_keeps_the_spacing_between_all_units_of_a_gateway(framing: Framing) -> None:
    async with wired(framing, units=(1, 2)) as unit:
        reads = [unit.connection.unit(n).read("holding", 0, n) for n in (1, 2, 1, 2)]
        assert [len(words) for words in await asyncio.gather(*reads)] == [1, 2, 1, 2]
        times = [request.at_s for request in unit.server.log]
        assert all(later - earlier >= 1.0 for earlier, later in pairwise(times))
        assert unit.server.connections == 1


async def test_asks_half_as_fast_after_an_error() -> None:
    async with wired(timeout_s=0.1) as unit:
        unit.bank.answers = False
        with pytest.raises(NoAnswer):
            await unit.line.read("holding", 0, 1)
        times = [request.at_s for request in unit.server.log]
        # 0.1 s of the wall are 10 s of the clock.
        assert len(times) == 3
        assert all(later - earlier >= 11.5 for earlier, later in pairwise(times))
        unit.bank.answers = True
        unit.server.log.clear()
        await unit.line.read("holding", 0, 1)
        await unit.line.read("holding", 0, 1)
        first, second = (request.at_s for request in unit.server.log)
        assert second - first >= 2.0


async def test_a_lost_connection_is_told_at_once_and_made_anew() -> None:
    async with wired(timeout_s=30.0) as unit:
        await unit.line.read("holding", 0, 1)
        unit.bank.answers = False
        began = monotonic()
        writing = asyncio.create_task(unit.line.write(0, [1]))
        await until(lambda: bool(unit.server.log[-1].values))
        unit.server.drop_connections()
        with pytest.raises(NoAnswer, match="the connection was lost"):
            await writing
        assert monotonic() - began < 15
        unit.bank.answers = True
        assert await unit.line.read("holding", 5, 1) == (5,)
        assert unit.server.connections == 2


async def test_comes_back_when_the_gateway_does() -> None:
    clock = FastClock(START, 1000.0)
    port = free_port()
    connection = ModbusConnection(url("tcp", port), clock, timeout_s=2.0)
    with pytest.raises(NotDelivered, match="no connection") as caught:
        await connection.unit(1).write(0, [1])
    assert not isinstance(caught.value, NoAnswer)
    async with ModbusServer(bank(), clock, port=port):
        assert await connection.unit(1).read("holding", 9, 1) == (9,)
    await connection.close()


async def test_an_unanswered_write_is_sent_once_and_a_read_three_times() -> None:
    async with wired(timeout_s=0.1) as unit:
        unit.bank.answers = False
        with pytest.raises(NoAnswer):
            await unit.line.write(3, [40])
        assert len(unit.server.log) == 1
        with pytest.raises(NoAnswer):
            await unit.line.read("holding", 3, 1)
        assert len(unit.server.log) == 4


@both
async def test_the_answer_to_a_cancelled_request_is_nobody_elses(framing: Framing) -> None:
    async with wired(framing, timeout_s=0.8, terms=WireTrapTerms(late_s=0.15)) as unit:
        unit.traps.set("10")
        cancelled = asyncio.create_task(unit.line.read("holding", 100, 1))
        await until(lambda: bool(unit.server.log))
        cancelled.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await cancelled
        assert await unit.line.read("holding", 7, 1) == (7,)


async def test_a_busy_unit_is_asked_again_but_not_told_again() -> None:
    async with wired(device=Refusing(6, None, 6)) as unit:
        assert await unit.line.read("holding", 0, 1) == (0,)
        with pytest.raises(ModbusRefused) as caught:
            await unit.line.write(0, [1])
        assert caught.value.code == 6
        assert not unit.bank.codes  # type: ignore[attr-defined]


@pytest.mark.parametrize("code", [5, 11])
async def test_a_write_that_may_yet_be_made_is_not_taken_for_refused(code: int) -> None:
    async with wired(device=Refusing(code)) as unit:
        with pytest.raises(NoAnswer, match=f"exception {code}"):
            await unit.line.write(0, [1])


async def test_a_closed_line_says_so() -> None:
    async with wired() as unit:
        await unit.line.read("holding", 0, 1)
        await unit.connection.close()
        with pytest.raises(NotDelivered, match="was closed"):
            await unit.line.read("holding", 0, 1)


async def test_an_error_names_the_line_the_unit_and_the_register() -> None:
    async with wired() as unit:
        with pytest.raises(ModbusRefused, match=r"tcp://127.0.0.1:\d+ unit 1, holding 500: refused with exception 2"):
            await unit.line.read("holding", 500, 1)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("tcp://192.0.2.9:502", TcpAddress("192.0.2.9", 502, rtu=False)),
        ("rtu+tcp://gateway.lan:8899", TcpAddress("gateway.lan", 8899, rtu=True)),
        ("serial:/dev/ttyUSB0?baud=38400", SerialAddress("/dev/ttyUSB0", 38400)),
        ("serial:/dev/serial/by-path/a-b", SerialAddress("/dev/serial/by-path/a-b")),
        ("serial:/dev/ttyS1?parity=E&stopbits=2", SerialAddress("/dev/ttyS1", 9600, "E", 2)),
    ],
)
def test_an_address_is_read_from_the_house_file(said: str, meant: object) -> None:
    assert parse_address(said) == meant


@pytest.mark.parametrize(
    "said",
    [
        "",
        "192.0.2.9:502",
        "tcp://192.0.2.9",
        "tcp://192.0.2.9:0",
        "tcp://:502",
        "tcp://192.0.2.9:70000",
        "tcp://192.0.2.9:502/1",
        "udp://192.0.2.9:502",
        "serial:ttyUSB0",
        "serial:/dev/ttyUSB0?baud=9601",
        "serial:/dev/ttyUSB0?baud=fast",
        "serial:/dev/ttyUSB0?parity=X",
        "serial:/dev/ttyUSB0?speed=9600",
    ],
)
def test_another_address_is_refused_with_what_is_allowed(said: str) -> None:
    with pytest.raises(ValueError, match=r'allowed: "tcp://host:port"'):
        ModbusConnection(said, FastClock(START), 1.0, 1.0)


async def test_what_no_request_can_say_is_refused() -> None:
    async with wired() as unit:
        with pytest.raises(ValueError, match="126 registers"):
            await unit.line.read("holding", 0, 126)
        with pytest.raises(ValueError, match="65535 are allowed"):
            await unit.line.read("holding", 65535, 2)
        with pytest.raises(ValueError, match="a register holds 0 to 65535"):
            await unit.line.write(0, [-5])
        with pytest.raises(ValueError, match="2 registers"):
            await unit.line.write(0, [1, 2], single=True)
        with pytest.raises(ValueError, match="found unit 0"):
            unit.connection.unit(0)
        assert not unit.server.log


async def test_speaks_rtu_on_a_serial_line() -> None:
    clock = FastClock(START, 100.0)
    far, near = os.openpty()
    tty.setraw(near)
    served = asyncio.create_task(_serve_terminal(ModbusServer(bank(), clock, framing="rtu"), far))
    unit = ModbusConnection(f"serial:{os.ttyname(near)}?baud=9600", clock, 1.0, 5.0).unit(1)
    try:
        assert await unit.read("input", 3000, 5) == (13000, 13001, 13002, 13003, 13004)
        await unit.write(1000, [1, 2, 3])
        await unit.write(1001, [65531], single=True)
        assert await unit.read("holding", 1000, 3) == (1, 65531, 3)
    finally:
        await unit.connection.close()
        served.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await served
        os.close(near)


async def _serve_terminal(server: ModbusServer, terminal: int) -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    with os.fdopen(terminal, "rb", buffering=0) as inward, os.fdopen(os.dup(terminal), "wb", buffering=0) as outward:
        heard, _ = await loop.connect_read_pipe(lambda: protocol, inward)
        said, flow = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, outward)
        try:
            await server.serve(reader, asyncio.StreamWriter(said, flow, reader, loop))
        finally:
            heard.close()
            await asyncio.sleep(0)  # it closes in the next turn of the loop


TIMEOUT_S = 0.03
functions = st.sampled_from([3, 4, 6, 16, 0x83, 0x84, 0x86, 0x90, 0x80, 0, 8, 23, 43])
bodies = st.one_of(
    st.builds(lambda f, n, data: bytes([f, n]) + data, functions, st.integers(0, 255), st.binary(max_size=30)),
    st.builds(lambda f, data: bytes([f]) + data, functions, st.binary(max_size=20)),
    st.builds(lambda words: bytes([3, 2 * len(words)]) + struct.pack(f">{len(words)}H", *words),
              st.lists(st.integers(0, 0xFFFF), max_size=6)),
)  # fmt: skip
answers = st.lists(st.one_of(st.binary(max_size=300), bodies.map(lambda body: (body,))), min_size=1, max_size=3)


@both
@settings(max_examples=40, deadline=None)
@given(answers=answers, count=st.integers(1, 5))
def test_whatever_comes_back_is_an_answer_of_the_right_length_or_an_error_in_time(
    framing: Framing, answers: list[bytes | tuple[bytes]], count: int
) -> None:
    asyncio.run(_ask_a_babbler(framing, answers, count))


async def _ask_a_babbler(framing: Framing, answers: list[bytes | tuple[bytes]], count: int) -> None:
    babblers: set[asyncio.Task[None]] = set()

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while asked := await reader.read(300):
                for answer in answers:
                    writer.write(answer if isinstance(answer, bytes) else _framed(framing, asked, answer[0]))
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    def welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        babblers.add(asyncio.create_task(babble(reader, writer)))

    faults: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: faults.append(context))
    server = await asyncio.start_server(welcome, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    unit = ModbusConnection(url(framing, port), FastClock(START, 1000.0), 1.0, TIMEOUT_S).unit(1)
    began = monotonic()
    try:
        words = await unit.read("holding", 10, count)
        assert len(words) == count
        assert all(0 <= word <= 0xFFFF for word in words)
    except (ModbusRefused, NoAnswer):
        pass
    with contextlib.suppress(ModbusRefused, NoAnswer):
        await unit.write(10, [1] * count)
    assert monotonic() - began < 4 * 1.5 * TIMEOUT_S + 5.0  # with time for a busy machine
    await unit.connection.close()
    server.close()
    await server.wait_closed()
    await asyncio.wait(babblers)
    assert not faults


def _framed(framing: Framing, asked: bytes, body: bytes) -> bytes:
    """As the answer to what was asked."""
    if framing == "tcp":
        return asked[:4] + struct.pack(">HB", len(body) + 1, asked[6]) + body
    return asked[:1] + body + crc16(asked[:1] + body)

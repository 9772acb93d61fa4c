"""What Modbus devices and gateways do on the wire to mislead their clients (protocols E.1), and what the line says."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise

import pytest

from pems_core.domain import NotDelivered, Severity
from pems_core.simulation.devices.modbus_wire_traps import WireTrapTerms
from pems_core.simulation.devices.registers import OUT_OF_RANGE, ModbusException, RegisterBank
from pems_core.transport.lines import ModbusRefused, NoAnswer
from pems_core.transport.modbus_blocks import BlockReader, Span
from pems_core.transport.modbus_errors import LeftAlone, WrongLength
from pems_core.transport.modbus_words import signed_value, to_words, unsigned_value

from .modbus_units import GROUPS, Framing, Wired, wired

both = pytest.mark.parametrize("framing", ["tcp", "rtu"])
SLOT_END, RESERVE, READ_ONLY = 3039, 1071, 43


class Particular(RegisterBank):
    """Refuses a lone slot word, a reserve below its floor and a write to what is read-only."""

    def __init__(self) -> None:
        super().__init__({"holding": GROUPS, "input": GROUPS})

    def check(self, address: int, values: Sequence[int], single: bool) -> None:
        if address == SLOT_END and single:
            raise ModbusException(0)
        if address == READ_ONLY:
            raise ModbusException(1)
        if address == RESERVE and values[0] < 10:
            raise ModbusException(OUT_OF_RANGE)


class Counting(RegisterBank):
    """A 32-bit value at input 60 that steps over 6553.6 W and back with every third read."""

    def __init__(self) -> None:
        super().__init__({"input": GROUPS})
        self.reads = 0

    def refresh(self) -> None:
        self.reads += 1
        self.put("input", 60, 0x1_0000 if self.reads % 3 else 0xFFFF, 2)


@both
@pytest.mark.trap("5")
async def test_a_refusal_keeps_its_code_even_if_no_standard_knows_it(framing: Framing) -> None:
    """The unit refuses with 0, 1, 2 or 3: PEMS learns which, repeats nothing and stays in conversation."""
    async with wired(framing, device=Particular()) as unit:
        codes = []
        for address, value in ((SLOT_END, 0x173B), (READ_ONLY, 1), (500, 1), (RESERVE, 9)):
            with pytest.raises(ModbusRefused) as caught:
                await unit.line.write(address, [value], single=True)
            codes.append(caught.value.code)
        assert codes == [0, 1, 2, 3]
        with pytest.raises(ModbusRefused) as caught:
            await unit.line.read("holding", 120, 10)
        assert caught.value.code == 2
        assert len(unit.server.log) == 5
        assert unit.server.connections == 1
        assert not unit.bank.writes


@both
@pytest.mark.trap("7")
async def test_an_old_frame_is_not_taken_for_a_fresh_one(framing: Framing) -> None:
    """The gateway answers one read of three with an old frame of 125 registers: PEMS asks again."""
    async with wired(framing, speed=1000.0, timeout_s=0.5) as unit:
        unit.traps.set("7")
        asked = 12
        came = 0
        for n in range(asked):
            try:
                assert await unit.line.read("input", n, 10) == tuple(range(10000 + n, 10010 + n))
                came += 1
            except WrongLength as error:
                assert error.registers == 125  # noqa: PT017  # three old frames in a row may come
        assert came >= asked - 2
        assert len(unit.server.log) > asked


@both
@pytest.mark.trap("8")
async def test_an_answer_of_the_wrong_length_is_no_answer(framing: Framing) -> None:
    """2 or 125 registers come where 10 were asked for: PEMS believes none of them, and all of the next."""
    async with wired(framing, timeout_s=0.2) as unit:
        unit.traps.set("8")
        with pytest.raises(WrongLength, match="10 were asked for"):
            await unit.line.read("input", 0, 10)
        unit.traps.clear("8")
        assert await unit.line.read("input", 0, 10) == tuple(range(10000, 10010))


@both
@pytest.mark.trap("9")
@pytest.mark.parametrize("single", [True, False])
async def test_an_echo_of_something_else_is_no_confirmation(framing: Framing, single: bool) -> None:
    """The echo of a write carries another value or count: PEMS holds the write for uncertain and reads back."""
    async with wired(framing, timeout_s=0.5) as unit:
        unit.traps.set("9")
        with pytest.raises(NoAnswer, match="the echo is of"):
            await unit.line.write(3, [40], single=single)
        assert len(unit.server.writes) == 1
        unit.traps.clear("9")
        assert await unit.line.read("holding", 3, 1) == (40,)


@both
@pytest.mark.trap("10")
async def test_a_late_answer_is_not_taken_for_the_next_one(framing: Framing) -> None:
    """One answer comes after its timeout, to whoever is connected: PEMS lets it pass before it asks on."""
    async with wired(framing, speed=1000.0, timeout_s=0.6, terms=WireTrapTerms(late_s=0.7)) as unit:
        unit.traps.set("10")
        assert await unit.line.read("input", 1000, 5) == (11000, 11001, 11002, 11003, 11004)
        assert await unit.line.read("input", 3000, 5) == (13000, 13001, 13002, 13003, 13004)
        assert await unit.line.read("input", 0, 5) == (10000, 10001, 10002, 10003, 10004)
        assert unit.server.connections == 2
        assert [request.address for request in unit.server.log] == [1000, 1000, 3000, 0]


@both
@pytest.mark.trap("11")
async def test_a_write_without_an_answer_is_made_once(framing: Framing) -> None:
    """The unit writes and does not answer: PEMS does not repeat the write, and sees by reading that it was made."""
    async with wired(framing, timeout_s=0.2) as unit:
        unit.traps.set("11")
        with pytest.raises(NoAnswer):
            await unit.line.write(1100, [0, 0x173B, 1])
        assert await unit.line.read("holding", 1100, 3) == (0, 0x173B, 1)
        assert len(unit.server.writes) == 1
        assert unit.bank.writes == {1100: 1, 1101: 1, 1102: 1}


@pytest.mark.trap("12")
async def test_a_write_after_a_pause_goes_over_a_new_connection() -> None:
    """The gateway forgets a connection idle for 60 s, and with it the next write: PEMS opens a new one before."""
    async with wired() as unit:
        unit.traps.set("12")
        await unit.line.read("holding", 3, 1)
        await unit.clock.sleep(70)
        await unit.line.write(3, [40])
        assert unit.bank.get("holding", 3) == 40
        assert len(unit.server.log) == 2
        assert unit.server.connections == 2


@pytest.mark.trap("12")
async def test_a_write_that_a_forgetful_gateway_lost_is_told() -> None:
    """The gateway forgets a connection sooner than any known: PEMS says at once that the write is uncertain."""
    async with wired(terms=WireTrapTerms(idle_s=10.0), timeout_s=30.0) as unit:
        unit.traps.set("12")
        await unit.line.read("holding", 3, 1)
        await unit.clock.sleep(30)
        with pytest.raises(NoAnswer, match="the connection was lost"):
            await unit.line.write(3, [40])
        assert not unit.server.writes
        assert await unit.line.read("holding", 3, 1) == (3,)
        await unit.line.write(3, [40])
        assert unit.bank.writes == {3: 1}


@both
@pytest.mark.trap("13")
async def test_a_second_master_is_given_way(framing: Framing) -> None:
    """Another master talks into one answer of three: PEMS believes no damaged one and slows down."""
    async with wired(framing, speed=50.0, timeout_s=0.1) as unit:
        unit.traps.set("13")
        asked = 10
        came = 0
        for n in range(asked):
            try:
                assert await unit.line.read("input", n, 3) == (10000 + n, 10001 + n, 10002 + n)
                came += 1
            except NotDelivered:
                continue
        assert came >= asked - 3
        times = [request.at_s for request in unit.server.log]
        assert len(times) > asked
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert min(gaps) >= 1.0
        assert sorted(gaps)[len(gaps) // 2] >= 2.0


@both
@pytest.mark.trap("14")
async def test_requests_are_never_too_fast_for_the_unit(framing: Framing) -> None:
    """The unit leaves a request unanswered that comes within 850 ms of another: PEMS's never do."""
    async with wired(framing, timeout_s=5.0) as unit:
        unit.traps.set("14")
        reads = [unit.line.read("holding", n, 1) for n in range(5)]
        assert await asyncio.gather(*reads) == [(n,) for n in range(5)]
        await unit.line.write(3, [40])
        assert all(request.executed for request in unit.server.log)
        assert len(unit.server.log) == 6


async def hang(unit: Wired) -> int:
    """Until the unit is left alone; how many requests that took."""
    async with asyncio.timeout(20):
        while not unit.connection.alerts:
            with pytest.raises(NotDelivered):
                await unit.line.write(3, [40])
    return len(unit.server.log)


@both
@pytest.mark.trap("15")
async def test_a_hanging_gateway_is_left_alone_and_told(framing: Framing) -> None:
    """The gateway accepts and never answers: after 5 tries PEMS alarms, waits, and comes back by one request."""
    async with wired(framing, speed=40.0, timeout_s=0.05) as unit:
        unit.traps.set("15")
        assert await hang(unit) == 5
        (alert,) = unit.connection.alerts
        assert (alert.severity, alert.place) == (Severity.CRITICAL, unit.line.place)
        assert "5 times in a row" in alert.text
        with pytest.raises(LeftAlone):
            await unit.line.read("holding", 3, 1)
        assert len(unit.server.log) == 5

        await unit.clock.sleep(15)
        with pytest.raises(NoAnswer):
            await unit.line.read("holding", 3, 1)
        assert len(unit.server.log) == 6
        assert unit.connection.alerts[0].since == alert.since

        for _ in range(4):
            await unit.clock.sleep(15)
            with pytest.raises(NoAnswer):
                await unit.line.read("holding", 3, 1)

        # However long it hung, it is asked again soon.
        unit.traps.clear("15")
        await unit.clock.sleep(15)
        assert await unit.line.read("holding", 3, 1) == (3,)
        assert not unit.connection.alerts


@pytest.mark.trap("15")
async def test_a_gateway_that_reconnects_heal_is_reconnected() -> None:
    """The gateway answers again after three new connections: PEMS makes them by itself."""
    async with wired(timeout_s=0.1, terms=WireTrapTerms(hang_connections=3)) as unit:
        unit.traps.set("15")
        with pytest.raises(NoAnswer):
            await unit.line.read("holding", 3, 1)
        assert await unit.line.read("holding", 3, 1) == (3,)


@pytest.mark.trap("15")
async def test_one_dead_unit_does_not_cut_off_its_neighbour() -> None:
    """One of two units behind a gateway is silent: PEMS leaves that one alone and goes on with the other."""
    async with wired(timeout_s=0.1) as unit:
        dead = unit.connection.unit(2)
        for _ in range(5):
            assert await unit.line.read("holding", 3, 1) == (3,)
            with pytest.raises(NoAnswer):
                await dead.write(3, [40])
        with pytest.raises(LeftAlone):
            await dead.write(3, [40])
        assert await unit.line.read("holding", 3, 1) == (3,)


@both
@pytest.mark.trap("16")
async def test_a_unit_that_is_off_at_night_is_back_in_the_morning(framing: Framing) -> None:
    """The inverter is silent from dusk to dawn: PEMS asks ever more rarely, and reads it again when it is back."""
    async with wired(framing, speed=2000.0, timeout_s=0.02) as unit:
        unit.bank.answers = False
        dusk = unit.clock.now()
        while unit.clock.now() < dusk + timedelta(hours=1):
            with pytest.raises(NotDelivered):
                await unit.line.read("input", 0, 3)
            await unit.clock.sleep(10)
        assert len(unit.server.log) < 60  # of 360 rounds
        unit.bank.answers = True
        async with asyncio.timeout(20):
            while unit.connection.alerts:
                await unit.clock.sleep(10)
                try:
                    assert await unit.line.read("input", 0, 3) == (10000, 10001, 10002)
                except LeftAlone:
                    continue


@pytest.mark.trap("19")
async def test_both_words_of_a_value_are_of_the_same_second() -> None:
    """A power steps over 6553.6 W between two reads: PEMS never joins the words of two reads."""
    async with wired(device=Counting()) as unit:
        power = Span("input", 60, 2)
        chunks = BlockReader(unit.line, GROUPS, unit.clock)
        wanted = [*(Span("input", n) for n in range(1, 60, 3)), power]
        seen = {unsigned_value((await chunks.read(wanted)).words[power]) for _ in range(6)}
        assert seen == {0xFFFF, 0x1_0000}


@both
@pytest.mark.trap("20")
async def test_a_small_negative_power_is_not_a_huge_one(framing: Framing) -> None:
    """The unit says -0.5 W as 4294967291 tenths: PEMS reads -0.5 W, and writes negatives the same way."""
    async with wired(framing) as unit:
        unit.bank.put("input", 1009, -5, 2)
        words = await unit.line.read("input", 1009, 2)
        assert unsigned_value(words) == 4294967291
        assert signed_value(words) / 10 == -0.5
        await unit.line.write(3, to_words(-5), single=True)
        assert unit.bank.get("holding", 3, signed=True) == -5

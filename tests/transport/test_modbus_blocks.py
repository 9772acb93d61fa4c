"""Many registers in few reads: what is read together, and what is learned from refusals."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pems_core.clock import Clock
from pems_core.simulation.devices.registers import UNDEFINED_ADDRESS, ModbusException, RegisterBank
from pems_core.simulation.devices.traps import Traps
from pems_core.transport.lines import NoAnswer, Space
from pems_core.transport.modbus_blocks import BlockReader, Span, plan_reads
from pems_core.transport.modbus_errors import WrongLength
from tests.devices.clocks import HandClock

from .modbus_units import GROUPS, START, Wired, bank, wired


class Choosy(RegisterBank):
    """Refuses every read that covers one of some holding registers."""

    def __init__(self, *lacking: int) -> None:
        super().__init__({"holding": GROUPS, "input": GROUPS})
        self.lacking = set(lacking)

    def read(self, space: Space, address: int, count: int) -> Sequence[int]:
        if space == "holding" and self.lacking & set(range(address, address + count)):
            raise ModbusException(UNDEFINED_ADDRESS)
        return super().read(space, address, count)


class Cutting:
    """A line that gives 45 registers at most, as the old V3.15 protocol (protocols A.1), or a broken frame."""

    def __init__(self, most: int = 45, broken: bool = False) -> None:
        self.asked: list[tuple[int, int]] = []
        self._most = most
        self._broken = broken

    async def read(self, space: Space, address: int, count: int) -> tuple[int, ...]:
        self.asked.append((address, count))
        if count > self._most:
            raise WrongLength(f"{self._most} registers came", 2 if self._broken else self._most)
        return tuple(range(address, address + count))

    async def write(self, address: int, values: Sequence[int], *, single: bool = False) -> None:
        raise AssertionError("a reader writes nothing")


def holding(*addresses: int) -> list[Span]:
    return [Span("holding", address) for address in addresses]


def blocks(wanted: Sequence[Span], largest: int = 60) -> list[tuple[Space, int, int]]:
    return [(block.space, block.address, block.length) for block in plan_reads(wanted, GROUPS, largest)]


def reader(unit: Wired, *, largest: int = 60, clock: Clock | None = None) -> BlockReader:
    return BlockReader(unit.line, GROUPS, clock or unit.clock, largest=largest)


def reads(unit: Wired) -> list[tuple[int, int]]:
    """Address and count of each read since the last look."""
    made = [(request.address, request.count) for request in unit.server.log]
    unit.server.log.clear()
    return made


def test_what_lies_near_comes_in_one_read() -> None:
    assert blocks(holding(3, 30, 43, 59)) == [("holding", 3, 57)]


def test_no_read_crosses_a_group_or_a_space() -> None:
    wanted = [*holding(120, 124, 125, 130), Span("input", 121)]
    assert blocks(wanted) == [("holding", 120, 5), ("holding", 125, 6), ("input", 121, 1)]


@pytest.mark.trap("19")
def test_no_read_splits_a_32_bit_value() -> None:
    """The two words of a value come from different seconds if they are read apart: they never are."""
    assert blocks([*holding(0), Span("holding", 59, 2)]) == [("holding", 0, 1), ("holding", 59, 2)]


def test_a_stray_span_is_told_with_its_place() -> None:
    with pytest.raises(ValueError, match="address=500"):
        blocks(holding(3, 500))
    with pytest.raises(ValueError, match="address=124"):
        blocks([Span("holding", 124, 2)])


wanted_spans = st.lists(
    st.builds(
        lambda group, at, length: Span("holding", group.start + at, length),
        st.sampled_from(GROUPS),
        st.integers(0, 121),
        st.sampled_from([1, 1, 2, 4]),
    ),
    max_size=40,
)


@given(wanted=wanted_spans, largest=st.integers(4, 125), borders=st.frozensets(st.integers(0, 125)))
def test_every_plan_brings_all_that_is_wanted_within_the_limits(
    wanted: list[Span], largest: int, borders: frozenset[int]
) -> None:
    kept_apart = {("holding", at) for at in borders}
    planned = plan_reads(wanted, GROUPS, largest, kept_apart)  # type: ignore[arg-type]
    assert {span for block in planned for span in block.spans} == set(wanted)
    for block in planned:
        last = block.address + block.length - 1
        assert block.length <= largest
        assert any(block.address in group and last in group for group in GROUPS)
        assert all(block.address <= span.address and span.end - 1 <= last for span in block.spans)
        assert not any(block.address < at <= span.address for at in borders for span in block.spans)


async def test_brings_the_words_of_each_span() -> None:
    async with wired() as unit:
        brought = await reader(unit).read([Span("input", 1009, 2), Span("input", 3021), *holding(43)])
        assert brought.words == {
            Span("input", 1009, 2): (11009, 11010),
            Span("input", 3021): (13021,),
            Span("holding", 43): (43,),
        }
        assert not brought.failed


@pytest.mark.trap("6")
async def test_learns_how_many_registers_a_device_gives() -> None:
    """The unit refuses more than 64 registers in a read: PEMS finds out once and asks for less from then on."""
    async with wired(device=bank(Traps("6"))) as unit:
        wanted = holding(0, 40, 64, 100, 124)
        chunks = reader(unit, largest=125)
        first = await chunks.read(wanted)
        assert {span.address: words[0] for span, words in first.words.items()} == {n: n for n in (0, 40, 64, 100, 124)}
        assert reads(unit)[0] == (0, 125)
        again = await chunks.read(wanted)
        assert again == first
        assert all(count <= 64 for _, count in reads(unit))
        assert not chunks.refused


async def test_learns_it_from_short_answers_too() -> None:
    line = Cutting()
    chunks = BlockReader(line, GROUPS, HandClock(START))
    brought = await chunks.read(holding(0, 20, 50))
    assert brought.words == {Span("holding", n): (n,) for n in (0, 20, 50)}
    assert chunks.largest == 45
    assert line.asked == [(0, 51), (0, 21), (50, 1)]


async def test_a_broken_frame_teaches_nothing() -> None:
    chunks = BlockReader(Cutting(broken=True), GROUPS, HandClock(START))
    brought = await chunks.read(holding(0, 50))
    assert isinstance(brought.failed[Span("holding", 50)], WrongLength)
    assert chunks.largest == 60


async def test_finds_the_one_register_that_is_refused_and_leaves_it_out() -> None:
    clock = HandClock(START)
    async with wired(device=Choosy(1044)) as unit:
        chunks = reader(unit, clock=clock)
        wanted = holding(1000, 1010, 1020, 1044, 1050, 1059)
        brought = await chunks.read(wanted)
        assert {span.address for span in brought.words} == {1000, 1010, 1020, 1050, 1059}
        assert chunks.refused == {Span("holding", 1044)}
        reads(unit)

        await chunks.read(wanted)
        assert reads(unit) == [(1000, 21), (1050, 10)]

        clock.pass_by(minutes=20)
        unit.bank.lacking.clear()  # type: ignore[attr-defined]
        brought = await chunks.read(wanted)
        assert reads(unit) == [(1000, 21), (1044, 1), (1050, 10)]
        assert Span("holding", 1044) in brought.words
        await chunks.read(wanted)
        assert reads(unit) == [(1000, 60)]


async def test_what_is_still_refused_later_costs_one_read() -> None:
    clock = HandClock(START)
    async with wired(device=Choosy(1044)) as unit:
        chunks = reader(unit, clock=clock)
        await chunks.read(holding(1000, 1044, 1050))
        clock.pass_by(minutes=20)
        reads(unit)
        await chunks.read(holding(1000, 1044, 1050))
        assert reads(unit) == [(1000, 1), (1044, 1), (1050, 1)]


async def test_a_hole_between_two_registers_is_read_around() -> None:
    async with wired(device=Choosy(1030)) as unit:
        chunks = reader(unit)
        for _ in range(2):
            brought = await chunks.read(holding(1000, 1044))
            assert {span.address for span in brought.words} == {1000, 1044}
        assert reads(unit) == [(1000, 45), (1000, 1), (1044, 1), (1000, 1), (1044, 1)]


async def test_a_block_that_fails_leaves_the_others() -> None:
    class Silent(Choosy):
        def read(self, space: Space, address: int, count: int) -> Sequence[int]:
            if address >= 3000:
                raise ModbusException(11)
            return super().read(space, address, count)

    async with wired(device=Silent(), speed=1000.0) as unit:
        brought = await reader(unit).read(holding(0, 3000))
        assert set(brought.words) == {Span("holding", 0)}
        assert isinstance(brought.failed[Span("holding", 3000)], NoAnswer)


async def test_forgets_what_it_learned_when_told() -> None:
    async with wired(device=Choosy(1044)) as unit:
        chunks = reader(unit)
        await chunks.read(holding(1000, 1044))
        chunks.forget()
        assert not chunks.refused
        reads(unit)
        await chunks.read(holding(1000, 1044))
        assert reads(unit)[0] == (1000, 45)


class Mute:
    """A line that says nothing to a read of more than some registers, as a gateway with a small buffer."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.asked: list[tuple[int, int]] = []

    async def read(self, space: Space, address: int, count: int) -> tuple[int, ...]:
        self.asked.append((address, count))
        if count > self.most:
            raise NoAnswer(f"nothing came for {count} registers")
        return tuple(range(address, address + count))

    async def write(self, address: int, values: Sequence[int], *, single: bool = False) -> None:
        raise AssertionError("a reader writes nothing")

    async def round(self, chunks: BlockReader, *addresses: int) -> list[tuple[int, int]]:
        """What is asked for in one round, all of which must come."""
        self.asked.clear()
        brought = await chunks.read(holding(*addresses))
        assert {span.address for span in brought.words} == set(addresses)
        return list(self.asked)


async def test_what_came_whole_is_asked_for_in_wider_reads_then() -> None:
    line = Mute(most=125)
    chunks = BlockReader(line, GROUPS, HandClock(START), widest=125)
    assert await line.round(chunks, 0, 37, 91, 118) == [(0, 38), (91, 28)]
    assert await line.round(chunks, 0, 37, 91, 118) == [(0, 119)]


async def test_a_width_that_is_not_answered_costs_one_round_and_no_value() -> None:
    line = Mute(most=64)
    chunks = BlockReader(line, GROUPS, HandClock(START), widest=125)
    await line.round(chunks, 0, 37, 91, 118)
    assert await line.round(chunks, 0, 37, 91, 118) == [(0, 119), (0, 38), (91, 28)]
    for _ in range(2):
        assert await line.round(chunks, 0, 37, 91, 118) == [(0, 38), (91, 28)]


async def test_a_unit_that_is_silent_says_nothing_about_its_width() -> None:
    line = Mute(most=125)
    chunks = BlockReader(line, GROUPS, HandClock(START), widest=125)
    await line.round(chunks, 0, 118)
    line.most = 0
    assert len((await chunks.read(holding(0, 118))).failed) == 2
    line.most = 125
    assert await line.round(chunks, 0, 118) == [(0, 119)]

"""Many registers in few reads, and what a device turns out not to give."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

from pems_core.clock import Clock
from pems_core.domain import NotDelivered

from .lines import ModbusLine, ModbusRefused, Space
from .modbus_errors import LeftAlone, WrongLength

LARGEST = 60
"""First try for the registers in one read (protocols A.1 "Max registers per read")."""
WIDEST = 125
"""What a read may ask for at most, and the size of most groups."""
LEAST_LARGEST = 16
"""A shorter answer is no limit of the device but a broken frame; the smallest limit known is 45 (protocols A.1)."""
ASK_AGAIN_S = 900.0
"""Of the clock. A device that starts or updates refuses for a while what it has."""
NOT_THERE = (0, 1, 2, 3)
"""Exceptions that say that a register or a group is not to be read, with the odd code 0 (protocols A.1)."""

Border = tuple[Space, int]
"""No read that starts before this address reaches it."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """Registers that belong together, such as the two words of a 32-bit value: never read apart (trap 19)."""

    space: Space
    address: int
    length: int = 1

    @property
    def end(self) -> int:
        """The address after the last."""
        return self.address + self.length


@dataclass(frozen=True, slots=True)
class Block:
    """One read that brings several spans."""

    spans: tuple[Span, ...]
    """By address."""

    @property
    def space(self) -> Space:
        return self.spans[0].space

    @property
    def address(self) -> int:
        return self.spans[0].address

    @property
    def length(self) -> int:
        return max(span.end for span in self.spans) - self.address


@dataclass(frozen=True, slots=True)
class Registers:
    """What one round of reads brought. A span that is in neither part was refused and is left out for a while."""

    words: dict[Span, tuple[int, ...]] = field(default_factory=dict)
    failed: dict[Span, NotDelivered] = field(default_factory=dict)
    """What should be there and did not come, and why."""


def plan_reads(
    wanted: Iterable[Span], groups: Sequence[range], largest: int = LARGEST, borders: Collection[Border] = ()
) -> list[Block]:
    """The fewest reads, by address, that bring every span and cross neither a group nor a border.

    What lies between two spans is read with them: a request costs more than its registers.

    :param groups: address ranges across whose borders no read may go (protocols A.1 "Groups").
    :param largest: most registers in one read; only a single span may be longer.
    :raises ValueError: if a span is in no group; one line for each.
    """
    spans = sorted(set(wanted))
    strays = [f"{span} lies in no group" for span in spans if _group(span, groups) is None]
    if strays:
        raise ValueError("\n".join(strays))
    blocks: list[Block] = []
    for span in spans:
        if blocks and _fits(blocks[-1], span, groups, largest, borders):
            blocks[-1] = Block((*blocks[-1].spans, span))
        else:
            blocks.append(Block((span,)))
    return blocks


def _fits(block: Block, span: Span, groups: Sequence[range], largest: int, borders: Collection[Border]) -> bool:
    first = block.spans[0]
    if span.space != first.space or _group(span, groups) != _group(first, groups):
        return False
    crossed = any(space == span.space and first.address < at <= span.address for space, at in borders)
    return not crossed and Block((*block.spans, span)).length <= largest


def _group(span: Span, groups: Sequence[range]) -> range | None:
    return next((group for group in groups if span.address in group and span.end - 1 in group), None)


class BlockReader:
    """Reads spans of one unit and learns where its reads must end (trap 6) and what it does not have."""

    def __init__(
        self,
        line: ModbusLine,
        groups: Sequence[range],
        clock: Clock,
        *,
        largest: int = LARGEST,
        widest: int = LARGEST,
        ask_again_s: float = ASK_AGAIN_S,
    ) -> None:
        """
        :param groups: see `plan_reads`.
        :param largest: first try for the registers in one read.
        :param widest: what is tried when a round of that size has come whole: fewer requests leave a bus that must rest
            after each of them free for commands.
        :param ask_again_s: after how long a refused span is asked for again [s of the clock].
        """
        self._line = line
        self._groups = groups
        self._clock = clock
        self._first_largest = self._largest = largest
        self._widest = widest
        self._ask_again_s = ask_again_s
        self._width_known = False
        self._borders: set[Border] = set()
        self._refused_at_s: dict[Span, float] = {}

    @property
    def largest(self) -> int:
        """Most registers that are asked for in one read from now on."""
        return self._largest

    @property
    def refused(self) -> frozenset[Span]:
        """What the device refused when it was last asked for; left out until it is asked for again."""
        now_s = self._clock.elapsed_s()
        return frozenset(s for s, at_s in self._refused_at_s.items() if now_s - at_s < self._ask_again_s)

    def forget(self) -> None:
        """Ask for everything again, as after another device or another firmware was found."""
        self._largest = self._first_largest
        self._width_known = False
        self._borders.clear()
        self._refused_at_s.clear()

    async def read(self, wanted: Iterable[Span]) -> Registers:
        """Read what is wanted and not known to be refused. A read that fails does not keep the others from coming.

        :raises ValueError: if a span is in no group.
        """
        round_ = Registers()
        asked = set(wanted) - self.refused
        for block in self._plan(asked):
            await self._read(block, round_)
        for span in round_.words:
            self._refused_at_s.pop(span, None)
        if round_.words and not round_.failed and not self._width_known:
            self._largest = max(self._largest, self._widest)
        return round_

    def _plan(self, spans: Iterable[Span], largest: int | None = None) -> list[Block]:
        """What was refused once is never covered by another read, and is asked for alone."""
        avoided = {(span.space, at) for span in self._refused_at_s for at in (span.address, span.end)}
        return plan_reads(spans, self._groups, largest or self._largest, self._borders | avoided)

    async def _read(self, block: Block, into: Registers) -> None:
        try:
            words = await self._line.read(block.space, block.address, block.length)
        except ModbusRefused as refused:
            if refused.code in NOT_THERE:
                await self._find_refused(block, into)
            else:
                await self._fail(block, refused, into)
        except WrongLength as error:
            if LEAST_LARGEST <= error.registers < block.length and len(block.spans) > 1:
                self._keep_to(min(self._largest, error.registers))
                for part in self._plan(block.spans):
                    await self._read(part, into)
            else:
                await self._fail(block, error, into)
        except NotDelivered as error:
            await self._fail(block, error, into)
        else:
            for span in block.spans:
                into.words[span] = words[span.address - block.address : span.end - block.address]

    async def _fail(self, block: Block, error: NotDelivered, into: Registers) -> None:
        """What did not come in a wide read is asked for as at first: if it comes then, the width was the fault."""
        if block.length <= self._first_largest or len(block.spans) == 1 or isinstance(error, LeftAlone):
            into.failed.update(dict.fromkeys(block.spans, error))
            return
        for part in self._plan(block.spans, self._first_largest):
            await self._read(part, into)
        if not into.failed.keys() & set(block.spans):
            self._keep_to(self._first_largest)

    def _keep_to(self, largest: int) -> None:
        self._largest = largest
        self._width_known = True

    async def _find_refused(self, block: Block, into: Registers) -> None:
        """Halve a refused block until its parts are answered or a single span is refused."""
        if len(block.spans) == 1:
            self._refused_at_s[block.spans[0]] = self._clock.elapsed_s()
            return
        known = set(self._refused_at_s)
        middle = len(block.spans) // 2
        border = (block.space, block.spans[middle].address)
        self._borders.add(border)
        for part in (block.spans[:middle], block.spans[middle:]):
            await self._read(Block(part), into)
        if self._refused_at_s.keys() - known:
            # It was refused for one of its registers: the block as such may be read without that.
            self._borders.discard(border)

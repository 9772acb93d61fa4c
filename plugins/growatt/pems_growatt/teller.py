"""Carrying writes out: what differs, once each, and read back until it is so (protocols A.10, D.3, E.1)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pems_core.clock import Clock
from pems_core.domain import NotDelivered, PemsError, Stage
from pems_core.transport.lines import ModbusLine, ModbusRefused, NoAnswer, WearBook

from .meter import Meter
from .writes import Settings, Write, changes, is_so

FIRST_LOOK_S = 1.0
"""From the last write to the first read-back (D.3: 0.5 to 2 s)."""
LOOK_AGAIN_S = 2.5
GIVE_UP_S = 15.0
"""Some firmware shows a new value only after 2 to 10 s (trap 3)."""
FLOORS = (11, 13, 16)
"""Lowest stop SOCs of some firmware [%]: it refuses a lower one, or takes this instead (A.10 number 10)."""
OUT_OF_RANGE = 3
UNCHECKED = frozenset({"remote_minutes"})
"""It may count down."""


class Refused(PemsError):
    """The unit refuses a write."""

    def __init__(self, write: Write, code: int) -> None:
        self.write, self.code = write, code
        registers = ", ".join(map(str, write.values))
        super().__init__(f"the unit refuses {registers} at holding {write.address} with exception {code}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a word went."""

    stage: Stage
    detail: str
    expected: Mapping[int, int]
    """What the registers should say from now on, by address."""
    wrote: bool


class Teller:
    """Writes to one unit."""

    def __init__(
        self, device: str, meter: Meter, line: ModbusLine, wear: WearBook, clock: Clock, spacing_s: float = 0.0
    ) -> None:
        """
        :param spacing_s: what the line leaves between two requests. As far as it lasts until the first look, nobody
            sleeps: a command that waits for the bus is next, and while one sleeps a poll would take its turn.
        """
        self._first_look_s = max(0.0, FIRST_LOOK_S - spacing_s)
        self._device, self._meter, self._line, self._wear, self._clock = device, meter, line, wear, clock

    async def tell(self, writes: Sequence[Write], settings: Settings, *, releases: bool) -> Outcome:
        """Bring the registers to what the writes say, in their order.

        :param settings: fresh words of all points that are written.
        :raises WornOut: if the memory has no writes left today; nothing was written then.
        :raises Refused: if the unit refuses one; those before it were made.
        :raises NotDelivered: if nobody can know what became of one.
        """
        table = self._meter.unit.table
        todo = changes(table, settings, writes)
        expected = {at: value for each in writes for at, value in enumerate(each.values, each.address)}
        if not todo:
            return Outcome(Stage.READBACK_OK, "it was so already", expected, wrote=False)
        self._spend(todo, releases=releases)
        raised: dict[int, int] = {}
        for each in todo:
            made = await self._make_one(each, releases=releases)
            if made != each:
                raised |= dict(enumerate(made.values, made.address))
        expected |= raised
        stage, detail = await self._read_back(expected, settings)
        if stage is Stage.READBACK_OK:
            self._meter.settings_read_back()
        if raised and stage is Stage.READBACK_OK:
            detail = _keeps_at_least(raised.values())
        return Outcome(stage, detail, expected, wrote=True)

    async def make(self, writes: Sequence[Write], *, releases: bool) -> None:
        """Make all of these writes, without looking before or after; errors as of `tell`."""
        self._spend(writes, releases=releases)
        for each in writes:
            await self._make_one(each, releases=releases)

    def changing(self, writes: Sequence[Write], settings: Settings) -> list[Write]:
        """Those of the writes that change something."""
        return changes(self._meter.unit.table, settings, writes)

    def _spend(self, writes: Sequence[Write], *, releases: bool) -> None:
        memory = tuple(sorted({one for each in writes for one in each.memory}))
        if memory:
            self._wear.spend(self._device, memory, releases=releases)

    async def _make_one(self, wanted: Write, *, releases: bool) -> Write:
        made = await self._make(wanted, releases=releases)
        if wanted.settle_s:
            await self._clock.sleep(wanted.settle_s)
        return made

    async def _make(self, wanted: Write, *, releases: bool) -> Write:
        """Make a write, with a higher stop SOC if the unit refuses one below its floor.

        :return: what was written.
        """
        try:
            await self._write(wanted, releases=releases)
        except ModbusRefused as refused:
            floor = next((floor for floor in FLOORS if floor > wanted.values[0]), None)
            if refused.code == OUT_OF_RANGE and wanted.names[0].endswith("stop_soc") and floor is not None:
                return await self._make(replace(wanted, values=(floor,)), releases=releases)
            raise Refused(wanted, refused.code) from refused
        return wanted

    async def _write(self, wanted: Write, *, releases: bool) -> None:
        """Write once; again only if a fresh read shows that the first was lost on the way (traps 11 and 12)."""
        self._meter.settings_changed()
        try:
            await self._line.write(wanted.address, wanted.values)
        except NoAnswer:
            await self._clock.sleep(FIRST_LOOK_S)
            if is_so(self._meter.unit.table, await self._fresh(wanted.names), wanted) and not wanted.always:
                return
            self._spend([wanted], releases=releases)
            await self._line.write(wanted.address, wanted.values)
        finally:
            self._meter.settings_changed()

    async def _read_back(self, expected: dict[int, int], before: Settings) -> tuple[Stage, str]:
        """Look until all is as it was written, or for too long."""
        deadline_s = self._clock.elapsed_s() + GIVE_UP_S
        await self._clock.sleep(self._first_look_s)
        while True:
            wrong = await self.differences(expected)
            clamped = {at: value for at, value in wrong.items() if self._is_floor(at, expected[at], value, before)}
            if wrong.keys() == clamped.keys():
                expected |= clamped
                return Stage.READBACK_OK, _keeps_at_least(clamped.values()) if clamped else "read back as written"
            if self._clock.elapsed_s() > deadline_s:
                return Stage.NO_EFFECT, told(wrong, expected)
            await self._clock.sleep(LOOK_AGAIN_S)

    def _is_floor(self, address: int, wanted: int, found: int, before: Settings) -> bool:
        """Whether the unit took its own lowest stop SOC for one that is lower."""
        point = self._meter.unit.table.by_holding[address]
        is_stop = point.name.endswith("stop_soc")
        return is_stop and found in FLOORS and wanted < found and before.get(point.name) != (found,)

    async def differences(self, expected: Mapping[int, int]) -> dict[int, int]:
        """The registers that say something else, with what they say.

        :raises NotDelivered: if they could not be read.
        """
        by_holding = self._meter.unit.table.by_holding
        names = {by_holding[at].name for at in expected} - UNCHECKED
        fresh = await self._fresh(tuple(sorted(names)))
        table = self._meter.unit.table
        now = {
            at: value
            for name, said in fresh.items()
            for at, value in zip(table.by_name[name].addresses, said, strict=True)
        }
        return {at: now[at] for at, value in expected.items() if at in now and now[at] != value}

    async def _fresh(self, names: Sequence[str]) -> Settings:
        settings = await self._meter.read_settings(*names)
        if not settings:
            raise NotDelivered(f"{self._device}: nothing of {', '.join(names)} could be read")
        return settings


def _keeps_at_least(floors: Iterable[int]) -> str:
    return "the unit keeps at least " + ", ".join(f"{floor} %" for floor in floors)


def told(wrong: Mapping[int, int], expected: Mapping[int, int]) -> str:
    """What registers say in place of what was written.

    >>> told({1091: 100}, {1091: 80, 1090: 25})
    'holding 1091 is 100, written was 80'
    """
    return "; ".join(f"holding {at} is {value}, written was {expected[at]}" for at, value in sorted(wrong.items()))

"""Polling an inverter: registers in, readings out (protocols D.2)."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from pems_core.alerts import AlertBook
from pems_core.clock import Clock
from pems_core.domain import NotDelivered, Quality, Reading, Severity, Value
from pems_core.transport.lines import ModbusLine, Space
from pems_core.transport.modbus_blocks import WIDEST, BlockReader

from .fault_texts import BMS_LOST, fault_text, warning_text
from .plausible import Plausibility, Ratings
from .probe import Unit
from .registers import GROUPS, Point
from .states import CLOCK_WORDS, SETTINGS, Memory, Words, clock_offset_s, named, states, unit_of

SETTINGS_S = 240.0
"""How often settings are read, and what else only people or PEMS change. What is measured is read at every poll."""
CLOCK_KNOWN_S = 600.0
SETTLES_S = 15.0
"""For so long after a write settings are not polled: some firmware shows a new value late (trap 3), and a slot may
revert after 6 s (A.2)."""
GRID_CHARGE_SEEN_KW = 0.3
NEVER_ZERO = ("battery_voltage_v", "frequency_hz", "inverter_temperature_c")
"""While a unit answers: a block in which all of these and everything else is 0 did not come."""


class AnotherUnit(NotDelivered):
    """What was read is not what was asked for: another unit, or the late reply to another request."""


class Meter:
    """The readings of one unit, as they were last heard."""

    def __init__(
        self, device: str, unit: Unit, line: ModbusLine, clock: Clock, zone: ZoneInfo, ratings: Ratings
    ) -> None:
        """
        :param zone: that of the inverter's clock.
        """
        self.unit = unit
        self.readings: dict[str, Reading] = {}
        self.values: Mapping[str, float] = {}
        """What the last poll measured, by point of the register table."""
        self.clock_offset_s: float | None = None
        self._device, self._clock, self._zone = device, clock, zone
        self._reader = BlockReader(line, GROUPS, clock, widest=WIDEST)
        self._plausibility = Plausibility(ratings)
        self._memory = Memory()
        self._settings: dict[str, tuple[int, ...]] = {}
        """As they were last read, by a poll or for a command."""
        self._settings_at: datetime | None = None
        self._settings_read_s: float | None = None
        self._settings_age = 0
        self._settings_changed_s: float | None = None
        self._settings_sure = True
        self._clock_read_at: datetime | None = None

    async def poll(self) -> Mapping[str, Value]:
        """Read what there is; what fails keeps its reading with the time of that.

        :return: the states that were read.
        :raises NotDelivered: if nothing was.
        """
        try:
            return await self._poll()
        except NotDelivered:
            # It may be another unit by now, or one that was without power and has lost its clock.
            self._settings_read_s = self._clock_read_at = None
            raise

    async def _poll(self) -> Mapping[str, Value]:
        if self._settings_due:
            await self._poll_settings()
        words = await self._read(point for point in self.unit.table.points if point.space == "input")
        self.values = named(self.unit.table, words)
        found = states(self.unit.table, {**named(self.unit.table, self._settings), **self.values}, self._memory)
        if self._plausibility.looks_like_another_unit(found):
            raise AnotherUnit(f"found a grid of {found['frequency_hz']} Hz; allowed: 45 to 65")
        self._publish(found)
        return found

    @property
    def _settings_due(self) -> bool:
        now_s = self._clock.elapsed_s()
        if self._settings_read_s is None:
            return True
        if self._settings_changed_s is not None and now_s - self._settings_changed_s < SETTLES_S:
            return False
        return not self._settings_sure or now_s - self._settings_read_s >= SETTINGS_S

    async def _poll_settings(self) -> None:
        """The clock comes with the first request, so that it is known when it was read."""
        began_s, age = self._clock.elapsed_s(), self._settings_age
        points = [point for point in self.unit.table.points if point.space == "holding"]
        clock_group = _group(self.unit.table.by_name[CLOCK_WORDS[0]])
        words = await self._read(point for point in points if _group(point) == clock_group)
        self._note_clock(words)
        words |= await self._read(point for point in points if _group(point) != clock_group)
        self._require_same_unit(named(self.unit.table, words))
        if age != self._settings_age:
            # It began before a write ended and may tell either (A.10 number 8).
            return
        self._settings |= words
        self._settings_at, self._settings_read_s, self._settings_sure = self._clock.now(), began_s, True

    def settings_changed(self) -> None:
        """A write was made: what a poll reads of settings now is not to be believed, and what is known is none any more
        unless it is read back."""
        self._settings_age += 1
        self._settings_changed_s = self._clock.elapsed_s()
        self._settings_sure = False

    def settings_read_back(self) -> None:
        """What was written was read back, so that nobody needs to look again."""
        self._settings_sure = True

    @property
    def clock_known(self) -> bool:
        """Whether `clock_offset_s` is of late; not across a change of local time, which the inverter does not make."""
        now, at = self._clock.now(), self._clock_read_at
        if at is None or (now - at).total_seconds() >= CLOCK_KNOWN_S:
            return False
        return at.astimezone(self._zone).utcoffset() == now.astimezone(self._zone).utcoffset()

    async def read_clock(self) -> tuple[int, ...] | None:
        """The words of the inverter's clock; None if it has none."""
        return self._note_clock(await self._read(self.unit.points(*CLOCK_WORDS)))

    def _note_clock(self, words: Words) -> tuple[int, ...] | None:
        if any(name not in words for name in CLOCK_WORDS):
            return None
        shown = {name: words[name][0] for name in CLOCK_WORDS}
        self._clock_read_at = self._clock.now()
        self.clock_offset_s = clock_offset_s(shown, self._clock_read_at, self._zone)
        if self.clock_offset_s is not None:
            self._publish({"clock_offset_s": self.clock_offset_s})
        return tuple(shown[name] for name in CLOCK_WORDS)

    async def read_settings(self, *names: str) -> dict[str, tuple[int, ...]]:
        """Fresh words of settings, as they are to be written; without those that the unit lacks.

        :raises NotDelivered: if not all could be read.
        """
        points = self.unit.points(*names)
        registers = await self._reader.read(point.span for point in points)
        if registers.failed:
            raise next(iter(registers.failed.values()))
        self._note_refused()
        found = {point.name: registers.words[point.span] for point in points if point.span in registers.words}
        self._settings |= found
        return found

    def publish_off(self) -> None:
        """The unit has not answered for a while; all other readings keep their age."""
        self._publish({"status": "off"})

    def publish_lacks(self) -> None:
        self._publish({"lacks": " ".join(sorted(self.unit.lacks))})

    async def _read(self, points: Iterable[Point]) -> dict[str, tuple[int, ...]]:
        wanted = [point for point in points if self.unit.has(point.name)]
        registers = await self._reader.read(point.span for point in wanted)
        self._note_refused()
        if registers.failed and not registers.words:
            raise next(iter(registers.failed.values()))
        words = {point: registers.words[point.span] for point in wanted if point.span in registers.words}
        zeros = _zero_groups(words)
        return {point.name: said for point, said in words.items() if (point.space, _group(point)) not in zeros}

    def _note_refused(self) -> None:
        spans = self._reader.refused
        refused = {point.name for point in self.unit.table.points if point.span in spans}
        if not refused <= self.unit.lacking:
            self.unit.lacking |= refused
            self.publish_lacks()

    def _require_same_unit(self, values: Mapping[str, float]) -> None:
        found = values.get("dtc")
        if self.unit.dtc is not None and found is not None and found != self.unit.dtc:
            raise AnotherUnit(f"found device type {found:.0f}; {self.unit.dtc} was probed")

    def _publish(self, found: Mapping[str, Value]) -> None:
        now = self._clock.now()
        for state, quality in self._plausibility.judge(found, now).items():
            at = self._settings_at if state in SETTINGS else None
            self.readings[f"{self._device}/{state}"] = Reading(found[state], unit_of(state), at or now, now, quality)

    def distrust(self, *names: str) -> None:
        """What is known to be wrong, though it was read."""
        for name in names:
            point = f"{self._device}/{name}"
            if point in self.readings:
                self.readings[point] = replace(self.readings[point], quality=Quality.SUSPECT)


def tell_faults(alerts: AlertBook, found: Mapping[str, Value], now: datetime) -> None:
    """What the inverter itself says is wrong (A.9)."""
    fault, warning = int(found.get("fault", 0)), int(found.get("warning", 0))
    alerts.tell("fault", fault_text(fault) if fault else "", now, Severity.CRITICAL)
    severity = Severity.CRITICAL if warning == BMS_LOST else Severity.WARNING
    alerts.tell("warning", warning_text(warning) if warning else "", now, severity)
    status = found.get("status")
    off_grid = "off grid: the house runs on the battery, and nothing is commanded" if status == "off_grid" else ""
    alerts.tell("off_grid", off_grid, now, Severity.CRITICAL)
    derating = str(found.get("derating", ""))
    alerts.tell("derating", f"gives less than it could: {derating}" if derating else "", now, Severity.INFO)
    alerts.tell("grid_charge", _grid_charge(found), now)


def _grid_charge(found: Mapping[str, Value]) -> str:
    """Some firmware charges from the grid in battery first whatever AC charge says (A.2)."""
    if found.get("mode") != "battery_first" or found.get("battery_charge_grid", True):
        return ""
    beyond_pv_kw = float(found.get("charge_kw", 0.0)) - float(found.get("pv_kw", 0.0))
    if beyond_pv_kw < GRID_CHARGE_SEEN_KW or float(found.get("import_kw", 0.0)) < GRID_CHARGE_SEEN_KW:
        return ""
    return f"charges {beyond_pv_kw:.1f} kW from the grid, though charging from the grid is off"


def _group(point: Point) -> int:
    return next(index for index, group in enumerate(GROUPS) if point.address in group)


def _zero_groups(words: Mapping[Point, tuple[int, ...]]) -> set[tuple[Space, int]]:
    """Groups that came as nothing but zeros though something in them never is 0: they failed (A.10 number 2)."""
    said = {(point.space, _group(point)) for point, these in words.items() if any(these)}
    return {(point.space, _group(point)) for point in words if point.name in NEVER_ZERO} - said

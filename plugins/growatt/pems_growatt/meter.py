"""Polling an inverter: registers in, readings out (protocols D.2)."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from pems_core.alerts import AlertBook
from pems_core.clock import Clock
from pems_core.domain import NotDelivered, Quality, Reading, Severity, Value
from pems_core.transport.lines import ModbusLine, Space
from pems_core.transport.modbus_blocks import BlockReader

from .fault_texts import BMS_LOST, fault_text, warning_text
from .plausible import Plausibility, Ratings
from .probe import Unit
from .registers import GROUPS, Point
from .states import CLOCK_WORDS, Memory, Words, clock_offset_s, named, states, unit_of

RARE_S = 600.0
"""How often the clock and the temperature windows are read."""
RARE = (
    *CLOCK_WORDS,
    *("charge_coldest", "charge_hottest", "discharge_coldest", "discharge_hottest"),
    *("metering_device", "grid_sensor", "reserve_soc", "reserve_soc_newer"),
)
KNOWN_FOR_S = 60.0
"""What a poll that began so long ago told of settings may still show that a word needs no write."""
SETTLES_S = 15.0
"""For so long after a write what a poll tells of settings shows nothing: some firmware is late (trap 3), and a slot may
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
        """What the last poll brought, by point of the register table."""
        self.clock_offset_s: float | None = None
        self._device, self._clock, self._zone = device, clock, zone
        self._reader = BlockReader(line, GROUPS, clock)
        self._plausibility = Plausibility(ratings)
        self._memory = Memory()
        self._rare: dict[str, float] = {}
        self._rare_at_s: float | None = None
        self._settings_age = 0
        self._settings_changed_s: float | None = None
        self._polled: Words = {}
        self._polled_at_s = 0.0
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
            self._polled, self._clock_read_at = {}, None
            raise

    async def _poll(self) -> Mapping[str, Value]:
        began_s, settings_age = self._clock.elapsed_s(), self._settings_age
        await self._poll_rarely()
        words = await self._read(point for point in self.unit.table.points if point.name not in RARE)
        if settings_age != self._settings_age:
            # It began before a write ended and may tell either (A.10 number 8).
            words = {name: said for name, said in words.items() if not self.unit.table.by_name[name].writable}
        values = named(self.unit.table, words)
        self._require_same_unit(values)
        self.values = values
        found = states(self.unit.table, {**self._rare, **values}, self._memory)
        if self._plausibility.looks_like_another_unit(found):
            raise AnotherUnit(f"found a grid of {found['frequency_hz']} Hz; allowed: 45 to 65")
        self._publish(found)
        self._keep_settings(words, began_s)
        return found

    def settings_changed(self) -> None:
        """A write was made: what a poll read of settings before, or reads now, is not to be believed."""
        self._settings_age += 1
        self._settings_changed_s = self._clock.elapsed_s()
        self._polled = {}

    def known_settings(self, *names: str) -> dict[str, tuple[int, ...]] | None:
        """Words of settings as a poll lately told them; None if one is not known, or may have changed by a write.

        Enough to see that nothing needs to be written; what is written needs those of `read_settings`.
        """
        wanted = [point.name for point in self.unit.points(*names)]
        if self._clock.elapsed_s() - self._polled_at_s > KNOWN_FOR_S or not self._polled.keys() >= set(wanted):
            return None
        return {name: self._polled[name] for name in wanted}

    @property
    def clock_known(self) -> bool:
        """Whether `clock_offset_s` is of late; not across a change of local time, which the inverter does not make."""
        now, at = self._clock.now(), self._clock_read_at
        if at is None or (now - at).total_seconds() >= RARE_S:
            return False
        return at.astimezone(self._zone).utcoffset() == now.astimezone(self._zone).utcoffset()

    async def read_clock(self) -> tuple[int, ...] | None:
        """The words of the inverter's clock; None if it has none."""
        words = await self._read(self.unit.points(*CLOCK_WORDS))
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
        return {point.name: registers.words[point.span] for point in points if point.span in registers.words}

    def publish_off(self) -> None:
        """The unit has not answered for a while; all other readings keep their age."""
        self._publish({"status": "off"})

    def publish_lacks(self) -> None:
        self._publish({"lacks": " ".join(sorted(self.unit.lacks))})

    def _keep_settings(self, words: Words, began_s: float) -> None:
        settled = self._settings_changed_s is None or began_s - self._settings_changed_s >= SETTLES_S
        by_name = self.unit.table.by_name
        self._polled = {name: said for name, said in words.items() if by_name[name].writable} if settled else {}
        self._polled_at_s = began_s

    async def _poll_rarely(self) -> None:
        now_s = self._clock.elapsed_s()
        if self._rare_at_s is not None and now_s - self._rare_at_s < RARE_S:
            return
        await self.read_clock()
        words = await self._read(point for point in self.unit.points(*RARE) if point.name not in CLOCK_WORDS)
        self._rare |= named(self.unit.table, words)
        self._rare_at_s = now_s

    async def _read(self, points: Iterable[Point]) -> Words:
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
            self._put(state, found[state], quality, now)

    def _put(self, state: str, value: Value, quality: Quality, now: datetime) -> None:
        self.readings[f"{self._device}/{state}"] = Reading(value, unit_of(state), now, now, quality)

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

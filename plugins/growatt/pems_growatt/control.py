"""Words to one inverter whose family is known: fresh settings, the writes that are needed, and what comes of them."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from zoneinfo import ZoneInfo

from pems_core.alerts import AlertBook
from pems_core.domain import Command, Quality, Stage
from pems_core.transport.lines import Change, Lines, ModbusLine

from .meter import Meter
from .remote import RemoteControl
from .tell_common import (
    EXPORT_MEASURED_BY,
    EXPORT_SETTINGS,
    RESERVE_POINTS,
    RESERVE_SETTINGS,
    CannotTell,
    CannotTellNow,
    clock_writes,
    export_writes,
    place,
    reserve_back,
    reserve_writes,
)
from .tell_slots import Moment, Pairs, SlotFamily, Triples
from .tell_vpp import VppFamily, vpp_settings
from .teller import OUT_OF_RANGE, Outcome, Refused, Teller
from .words import BATTERY_WORDS, Word
from .writes import Settings, Write, word, write

DAY = timedelta(days=1)
MOST_OFFSET_S = 60.0
"""No slots are set while the clock is further off (D.6)."""
SYNC_OVER_S = 20.0
SYNCED_WITHIN_S = 5.0
CLOCK_SET, RESERVE_SET = "clock set", "reserve set"
"""Done once a day at most."""
COMMANDS_KNOWN = 32
EXPORT_BACK_S = 12.0
"""For how long giving authority back may leave the export limit off (A.6, #203)."""


@dataclass(frozen=True, slots=True)
class Permissions:
    """What a person has allowed once and for all."""

    clock_sync: bool = True
    reserve_register_checked: bool = False
    export_limit_percent: float = 100.0
    """Highest feed-in that the house may have [% of the inverter's rating]."""
    writes_per_day: int = 10
    most_writes_per_day: int = 18
    """Of one place of the inverter's memory: on average, and at most."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a word."""

    stage: Stage
    detail: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Registers that no longer say what a command said, and what that was."""

    found: Mapping[int, int]
    expected: Mapping[int, int]


class Control:
    """Tells one inverter, and remembers what it was told."""

    def __init__(
        self,
        device: str,
        meter: Meter,
        line: ModbusLine,
        lines: Lines,
        zone: ZoneInfo,
        permissions: Permissions,
        alerts: AlertBook,
        spacing_s: float = 0.0,
    ) -> None:
        """
        :param spacing_s: what the line leaves between two requests.
        """
        self._device, self._meter, self._zone = device, meter, zone
        self._clock = lines.clock
        self._permissions, self._alerts = permissions, alerts
        self._teller = Teller(device, meter, line, lines.wear, lines.clock, spacing_s)
        self._said: dict[str, dict[int, int]] = {}
        self._wear = lines.wear
        unit = meter.unit
        self._remote: RemoteControl | None = None
        self._family: SlotFamily | VppFamily
        if unit.table.family == "vpp":
            self._family = family = VppFamily(unit)
            self._remote = RemoteControl(family, meter, self._teller, lines.clock, alerts)
            self._settings: Sequence[str] = vpp_settings()
        else:
            self._family = SlotFamily(unit, Pairs(unit) if unit.table.family == "tl_xh" else Triples(unit))
            self._settings = slot_settings(meter)

    async def tell(self, command: Command, said: Word) -> Settled:
        """Carry a word out.

        :raises CannotTell: if the unit cannot be told this, or not now.
        :raises Refused: if it refuses.
        :raises WornOut: if its memory has no writes left today.
        :raises NotDelivered: if nobody can know what became of it.
        """
        if said.name in BATTERY_WORDS:
            outcome = await self._tell_battery(command, said)
        elif said.name == "export_limit":
            outcome = await self._tell_export(command, said)
        elif said.name == "reserve_soc":
            outcome = await self._tell_reserve(command, said)
        else:
            return await self._sync_clock(command)
        self._remember(command, outcome.expected)
        return Settled(outcome.stage, outcome.detail)

    async def wrong(self, command: Command) -> Comparison | None:
        """What no longer is as a command said, None if that is not known.

        :raises NotDelivered: if it could not be read.
        """
        expected = self._said.get(command.id)
        if expected is None:
            return None
        return Comparison(await self._teller.differences(expected) if expected else {}, expected)

    async def keep_up(self) -> None:
        """What must be done between commands.

        :raises NotDelivered: if it could not be.
        :raises Refused: if the unit does not take it.
        """
        if self._remote is not None:
            await self._remote.keep_up()

    async def _tell_battery(self, command: Command, said: Word) -> Outcome:
        if self._remote is None and said.name != "auto":
            await self._require_clock(command)
        outcome = await self._tell_battery_once(command, said)
        if outcome.stage is Stage.NO_EFFECT and self._slots_need_ac_charge(outcome):
            self._meter.unit.ac_charge_stays_on = True
            outcome = await self._tell_battery_once(command, said)
        return outcome

    async def _tell_battery_once(self, command: Command, said: Word) -> Outcome:
        settings = await self._meter.read_settings(*self._settings)
        writes = self._family.writes(said, settings, self._moment())
        if self._remote is not None and (goes_on := self._remote.goes_on(said, writes, settings)):
            writes = [replace(each, always=False) for each in writes if each.names[0] != "remote_minutes"]
        outcome = await self._settle(writes, settings, releases=command.releases)
        if self._remote is not None:
            self._remote.told(said, writes, goes_on=goes_on)
            if word(settings, "authority") == 1 and outcome.expected.get(writes[-1].address if writes else 0) == 0:
                outcome = await self._with_export_restored(command, settings, outcome)
        return outcome

    def _slots_need_ac_charge(self, outcome: Outcome) -> bool:
        """On a MOD slots revert unless AC charge is on (A.4)."""
        table, unit = self._meter.unit.table, self._meter.unit
        if table.family != "tl_xh" or unit.ac_charge_stays_on:
            return False
        return any(table.by_holding[at].name.startswith("slot") for at in outcome.expected)

    async def _tell_export(self, command: Command, said: Word) -> Outcome:
        percent = min(100.0 if said.percent is None else said.percent, self._permissions.export_limit_percent)
        settings = await self._read_export()
        writes = export_writes(self._meter.unit, settings, percent)
        outcome = await self._settle(writes, settings, releases=command.releases)
        # How the plant measures is part of what must stay so, though it was not written (36b).
        mode = word(settings, "export_limit_mode")
        if mode:
            return Outcome(outcome.stage, outcome.detail, {122: mode, **outcome.expected}, outcome.wrote)
        return outcome

    async def _read_export(self) -> Settings:
        settings = await self._meter.read_settings(*EXPORT_SETTINGS)
        if word(settings, "export_limit_mode") == 0:
            # How the plant measures must be known only to begin limiting.
            settings |= await self._meter.read_settings(*EXPORT_MEASURED_BY)
        return settings

    async def _tell_reserve(self, command: Command, said: Word) -> Outcome:
        if said.percent is None:
            return await self._put_reserve_back()
        settings = await self._meter.read_settings(*RESERVE_SETTINGS)
        checked = self._permissions.reserve_register_checked
        writes = reserve_writes(self._meter.unit, settings, round(said.percent), confirmed=checked)
        changing = self._teller.changing(writes, settings)
        if changing and self._done_lately(RESERVE_SET):
            raise CannotTellNow("the reserve was set within the last 24 h; once a day is allowed")
        self._note_reserve(changing, settings)
        outcome = await self._settle(writes, settings, releases=command.releases)
        if outcome.wrote:
            self._wear.note_done(self._device, RESERVE_SET, self._clock.now())
            self._note_reserve(changing, settings, outcome.expected)
        return outcome

    def _note_reserve(
        self, writes: Sequence[Write], before: Settings, expected: Mapping[int, int] | None = None
    ) -> None:
        """Remember what the reserve was, for nothing else would put it back.

        :param expected: what the unit made of it, by address, once that is known.
        """
        table = self._meter.unit.table
        for each in writes:
            [name] = each.names
            was = word(before, name)
            if name in RESERVE_POINTS and was is not None:
                told = (expected or {}).get(each.address, each.values[0])
                self._wear.note_changed(self._device, place(table, name), Change(was, told))

    async def _put_reserve_back(self) -> Outcome:
        """It wears the memory as any other write, and is made whatever else was written today."""
        changed = self._wear.changed(self._device)
        if not changed:
            return Outcome(Stage.READBACK_OK, "PEMS has not changed it", {}, wrote=False)
        settings = await self._meter.read_settings(*RESERVE_SETTINGS)
        writes = reserve_back(self._meter.unit, settings, changed)
        outcome = await self._settle(writes, settings, releases=True)
        if outcome.stage is Stage.READBACK_OK:
            for setting in changed:
                self._wear.put_back(self._device, setting)
        return outcome

    async def _settle(self, writes: Sequence[Write], settings: Settings, *, releases: bool) -> Outcome:
        try:
            return await self._teller.tell(writes, settings, releases=releases)
        except Refused as refused:
            if refused.code != OUT_OF_RANGE:
                # It does not have what it was thought to have (D.1.6).
                self._meter.unit.lacking |= set(refused.write.names)
                self._meter.publish_lacks()
            raise

    async def _with_export_restored(self, command: Command, before: Settings, outcome: Outcome) -> Outcome:
        """Giving authority back may clear the export limit for seconds (#203), or for good."""
        mode = word(before, "export_limit_mode")
        if not mode:
            return outcome
        table, deadline_s = self._meter.unit.table, self._clock.elapsed_s() + EXPORT_BACK_S
        while self._clock.elapsed_s() < deadline_s:
            settings = await self._meter.read_settings("export_limit_mode", "export_limit")
            if word(settings, "export_limit_mode") == mode:
                return outcome
            await self._clock.sleep(2.0)
        limit = [write(table, name, *before[name]) for name in ("export_limit", "export_limit_mode")]
        restored = await self._settle(limit, settings, releases=command.releases)
        text = "giving authority back had cleared the export limit; it was set again"
        self._alerts.put("export_cleared", text, self._clock.now())
        return Outcome(restored.stage, text, {**outcome.expected, **restored.expected}, wrote=True)

    async def _require_clock(self, command: Command) -> None:
        """A slot is on the inverter's clock: one that is off is set first, if that is allowed.

        :raises CannotTell: if it stays too far off.
        """
        offset_s = self._meter.clock_offset_s
        if not self._meter.clock_known or offset_s is None or abs(offset_s) > SYNC_OVER_S:
            await self._meter.read_clock()
            offset_s = self._meter.clock_offset_s
        if offset_s is not None and abs(offset_s) > SYNC_OVER_S and self._may_sync():
            # If it cannot be set now, another hour will do: what counts is how far it is off.
            with suppress(CannotTell, Refused):
                await self._sync_clock(command)
            offset_s = self._meter.clock_offset_s
        if offset_s is None or abs(offset_s) > MOST_OFFSET_S:
            shows = "shows no time" if offset_s is None else f"is {offset_s:+.0f} s off"
            raise CannotTellNow(f"its clock {shows}; slots are allowed within {MOST_OFFSET_S:.0f} s")

    def _may_sync(self) -> bool:
        return self._permissions.clock_sync and not self._done_lately(CLOCK_SET)

    def _done_lately(self, what: str) -> bool:
        """Whether it was done in the last 24 h, also before a restart."""
        at = self._wear.last_done(self._device, what)
        return at is not None and self._clock.now() - at < DAY

    async def _sync_clock(self, command: Command) -> Settled:
        if not self._may_sync():
            raise CannotTellNow("its clock is set once a day at most, and only with clock_sync = true")
        shown = await self._meter.read_clock()
        if shown is None:
            raise CannotTellNow("it shows no time that could be set")
        writes = clock_writes(self._meter.unit, shown, self._clock.now(), self._zone)
        self._wear.note_done(self._device, CLOCK_SET, self._clock.now())
        await self._teller.make(writes, releases=command.releases)
        await self._meter.read_clock()
        offset_s = self._meter.clock_offset_s
        good = offset_s is not None and abs(offset_s) <= SYNCED_WITHIN_S
        shows = "it shows no time" if offset_s is None else f"now {offset_s:+.1f} s off"
        return Settled(Stage.READBACK_OK if good else Stage.NO_EFFECT, f"the clock was set: {shows}")

    def _moment(self) -> Moment:
        soc = self._meter.readings.get(f"{self._device}/soc")
        known = soc is not None and soc.quality is Quality.GOOD
        now = self._clock.now()
        return Moment(now, now, self._zone, int(100 * float(soc.value) + 1e-6) if soc and known else None)

    def _remember(self, command: Command, expected: Mapping[int, int]) -> None:
        """What was said last of a register holds; an earlier command no longer answers for it."""
        for before in self._said.values():
            for at in expected:
                before.pop(at, None)
        self._said[command.id] = dict(expected)
        while len(self._said) > COMMANDS_KNOWN:
            self._said.pop(next(iter(self._said)))


def slot_settings(meter: Meter) -> Sequence[str]:
    """What must be known of a unit with slots before it is told a mode."""
    shared = ("charge_rate", "charge_stop_soc", "discharge_rate", "discharge_stop_soc", "ac_charge")
    slots = tuple(point.name for point in meter.unit.table.points if "slot" in point.name)
    return (*shared, "grid_charge_stop_soc", *slots)

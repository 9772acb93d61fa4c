"""A Growatt inverter with a battery, as its registers show it; the simulated house follows what it does.

Written from the protocol documents and field reports in protocols A and E alone, without looking at the plugin that
talks to it. An inverter to which nobody talks goes on acting on its stored slots.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import get_args

import numpy as np

from pems_core.clock import Clock
from pems_core.domain import HybridInverterSpec, Value
from pems_core.simulation.twins.conditions import Conditions
from pems_core.transport.lines import Space

from .growatt_agenda import Agenda
from .growatt_bms import GrowattBms
from .growatt_clock import GrowattClock
from .growatt_inputs import Put, put_spa, put_sph, put_storage, put_tl_xh, put_tl_xh_battery, put_tl_xh_low, put_vpp
from .growatt_limits import GrowattLimits
from .growatt_measured import Measured
from .growatt_measuring import GrowattInstruments, powers_kw
from .growatt_memory import WriteMemory
from .growatt_meter import GrowattMeter
from .growatt_orders import Order, SlotBook, as_trapped, sph_order, tl_xh_order, with_load_first_floor
from .growatt_parameters import GrowattParameters
from .growatt_settings import GROUPS, Family, Setting, spa, sph, tl_xh, vpp
from .growatt_slots import ENABLE, LOAD_TRIPLES, PAIRS, TRIPLES, minute_of
from .growatt_vpp import AUTHORITY, VppControl
from .live_house import LiveHouse
from .registers import OUT_OF_RANGE, UNDEFINED_ADDRESS, UNDEFINED_FUNCTION, ModbusException, RegisterBank
from .traps import Traps

FAMILIES: tuple[Family, ...] = get_args(Family)
DTC: Mapping[Family, int] = {"sph": 3502, "spa": 3735, "tl_xh": 5400, "vpp": 5100}
"""Device types of protocols A.1."""
BATTERY_V: Mapping[Family, float] = {"sph": 204.8, "spa": 51.2, "tl_xh": 400.0, "vpp": 400.0}
CLOCK, VPP_CLOCK = range(45, 51), range(30104, 30110)
PRIORITY, EXPORT_MODE = 1044, 122
CODE_ZERO = 0
"""What a TL-XH answers to a lone end word (evcc #23300)."""
SETTLING_S = 120.0
"""How long a TL-XH takes until it charges to a floor that was raised (#362)."""
DISCHARGE_STOPS = (1071, 3037, 3067)
ACKED_IN_VAIN: Mapping[Family, frozenset[int]] = {
    "sph": frozenset({PRIORITY}),
    "spa": frozenset(),
    "tl_xh": frozenset({1071, 1091}),
    "vpp": frozenset(),
}
"""Registers of trap 1."""
TICK_S = 5.0
Show = Callable[[Put, Measured, Traps], None]
SHOWN: Mapping[Family, Sequence[Show]] = {
    "sph": (put_sph, put_storage),
    "spa": (put_storage, put_spa),
    "tl_xh": (put_tl_xh_low, put_tl_xh, put_tl_xh_battery, put_tl_xh_low),
    "vpp": (put_vpp,),
}


class SimulatedGrowatt(RegisterBank):
    """One inverter; give it to a Modbus server, and let `run` or anybody who looks at the house keep it going."""

    def __init__(
        self,
        live_house: LiveHouse,
        clock: Clock,
        family: Family | Iterable[Family],
        traps: Traps | None = None,
        *,
        device: str = "inverter",
        timezone: str = "Europe/Prague",
        seed: int = 0,
        parameters: GrowattParameters | None = None,
        metering: int = 3,
        battery_v: float | None = None,
        dtc: int | None = None,
    ) -> None:
        """
        :param family: one of "sph", "spa", "tl_xh", "vpp", or several: {"sph", "vpp"} answers both.
        :param device: the hybrid inverter with battery of the house that it is.
        :param parameters: how hard the traps bite.
        :param metering: the plant's metering device and first value of register 122: 1 meter, 3 CT.
        :raises ValueError: if the family is unknown, or the house has no such inverter with a battery.
        """
        self.families = _families(family)
        super().__init__(_groups(self.families), traps)
        self.parameters = parameters or GrowattParameters()
        self._house, self._clock, self._device, self._metering = live_house, clock, device, metering
        self._spec = _spec(live_house, device)
        assert self._spec.battery
        now = clock.now()
        main = self.families[0]
        self._settings = _settings(self.families, dtc or DTC[main], metering, self._spec)
        for address, setting in self._settings.items():
            self.put("holding", address, setting.default)
        self._agenda = Agenda(now)
        self._own_clock = GrowattClock(now, timezone, self.traps, self.parameters)
        self._meter = GrowattMeter(self.traps, self.parameters)
        self._bms = GrowattBms(self._spec.battery, self.traps, self.parameters)
        volts = battery_v or BATTERY_V[main]
        self._instruments = GrowattInstruments(self.traps, self.parameters, self._meter, volts)
        self._slots = SlotBook(self.traps, np.random.default_rng(seed))
        self._vpp = VppControl(self._holding, self._put_one, self._agenda, self.traps, self.parameters)
        self._memory = WriteMemory(self._holding, self._put_many, self._agenda, self.traps, self.parameters)
        fail_safe = 3000 if "tl_xh" in self.families else 304 if main != "vpp" else None
        self._limits = GrowattLimits(
            self._holding, self.traps, self.parameters, now, vpp="vpp" in self.families, fail_safe=fail_safe
        )
        self._booting_until = self._idle_until = self._effect_from = now
        self._rebooted_at: datetime | None = None
        self._below_floor_since: datetime | None = None
        self._off_grid = False
        self._order, self._conditions = Order(), Conditions()
        self._told: Mapping[str, Value] = {}
        self._switched_on = True
        live_house.each_minute(self._minute)
        self._settle(now)

    @property
    def answers(self) -> bool:
        """False while it sleeps through the night (trap 16), or is switched off by hand."""
        return self._switched_on and not ("16" in self.traps and self._is_night())

    @answers.setter
    def answers(self, value: bool) -> None:
        self._switched_on = value

    @property
    def order(self) -> Order:
        """What it is doing by its own logic."""
        self.live()
        return self._order

    @property
    def local_time(self) -> datetime:
        """What its clock shows."""
        self.live()
        return self._own_clock.local(self._agenda.now)

    async def run(self) -> None:
        """Keep acting on slots, timers and the rest until cancelled."""
        while True:
            self.live()
            await self._clock.sleep(TICK_S)

    def live(self) -> None:
        """Do all that has fallen due by now."""
        self._house.catch_up()
        self._settle(self._clock.now())

    def reboot(self) -> None:
        """Lose what is not stored, wait for the grid, and go on with the stored slots (trap 17)."""
        self.live()
        self._reboot()
        self._settle(self._agenda.now)

    def _reboot(self) -> None:
        now = self._agenda.now
        self._rebooted_at, self._booting_until = now, now + timedelta(seconds=self.parameters.boot_s)
        lost = {at: setting.default for at, setting in self._settings.items() if not self._is_stored(at)}
        self._put_words(lost)
        self._vpp.reset()

    def set_soc(self, soc: float) -> None:
        """Let the battery find that it holds this share, 0..1 (trap 44)."""
        self.live()
        self._house.recalibrate(soc)
        self._settle(self._agenda.now)

    def read(self, space: Space, address: int, count: int) -> Sequence[int]:
        """As `RegisterDevice.read`."""
        words = super().read(space, address, count)
        return self._memory.as_racing(address, words) if space == "holding" else words

    def write(self, address: int, values: Sequence[int], single: bool) -> None:
        """As `RegisterDevice.write`."""
        self.live()
        self._limits.talked(self._agenda.now)
        written = range(address, address + len(values))
        if "1" in self.traps and self._acked_in_vain.issuperset(written):
            self.writes.update(written)
            return
        super().write(address, values, single)

    def refresh(self) -> None:
        self.live()
        self._limits.talked(self._agenda.now)
        self._show_clock()
        measured, put = self._measured(), self._put_input
        for name in self.families:
            for show in SHOWN[name]:
                show(put, measured, self.traps)

    def check(self, address: int, values: Sequence[int], single: bool) -> None:
        if "5" in self.traps and len(values) == 1 and address - 1 in PAIRS and "tl_xh" in self.families:
            raise ModbusException(CODE_ZERO)
        for at, value in enumerate(values, address):
            self._check_one(at, value)
        written = dict(enumerate(values, address))
        for fields in (CLOCK, VPP_CLOCK):
            if any(at in fields for at in written) and self._clock_time(written, fields) is None:
                raise ModbusException(OUT_OF_RANGE)

    def apply(self, address: int, values: Sequence[int], single: bool) -> None:
        written = dict(enumerate(values, address))
        now = self._agenda.now
        self._set_clock(written)
        siblings = self._slot_of(address)
        kept = frozenset(at for at in written if self._keeps(at))
        self._memory.write(written, kept, siblings, lone_word=single and bool(siblings))
        if "3" in self.traps:
            self._effect_from = now + timedelta(seconds=self.parameters.effective_after_s)
        self._heed_starts(written)
        self._play_after_write(written)
        self._settle(now)

    # What is written

    def _check_one(self, at: int, value: int) -> None:
        setting = self._settings.get(at)
        if setting is None:
            raise ModbusException(UNDEFINED_ADDRESS)
        if setting.read_only and not (at == PRIORITY and "33" in self.traps):
            raise ModbusException(UNDEFINED_FUNCTION)
        too_low = "30" in self.traps and at in DISCHARGE_STOPS and value < self.parameters.hidden_floor_soc
        if too_low or not setting.allows(value):
            raise ModbusException(OUT_OF_RANGE)

    def _keeps(self, at: int) -> bool:
        """Acknowledged, and stays as it is."""
        worn = "35" in self.traps and self._is_stored(at) and self.writes[at] > self.parameters.endurance_writes
        return worn or ("1" in self.traps and at in self._acked_in_vain)

    @property
    def _acked_in_vain(self) -> frozenset[int]:
        by_family = (ACKED_IN_VAIN[name] for name in self.families)
        return frozenset(self.parameters.ignored_writes).union(*by_family)

    def _is_stored(self, at: int) -> bool:
        """Whether it survives a power-off; register 2 says so of register 3."""
        if at == 3:
            return bool(self._holding(2))
        return at in self._settings and self._settings[at].stored

    def _slot_of(self, address: int) -> range:
        """The registers of the slot that an address belongs to."""
        if "tl_xh" in self.families:
            first = next((at for at in PAIRS if address in (at, at + 1)), None)
            return range(0) if first is None else range(first, first + 2)
        first = next((at for at in (*TRIPLES, *LOAD_TRIPLES) if at <= address < at + 3), None)
        return range(0) if first is None or first not in self._settings else range(first, first + 3)

    def _heed_starts(self, written: Mapping[int, int]) -> None:
        """Trap 55: a slot that is switched on after, or in the minute of, its start waits for tomorrow."""
        local = self._own_clock.local(self._agenda.now)
        tomorrow = datetime.combine(local.date() + timedelta(days=1), datetime.min.time())
        for at, word in written.items():
            pair = at in PAIRS and bool(word & ENABLE)
            triple = (at in TRIPLES or at in LOAD_TRIPLES) and bool(written.get(at + 2))
            if not pair and not triple:
                continue
            if "55" in self.traps and minute_of(word) <= local.hour * 60 + local.minute:
                self._slots.ignore_until(at, tomorrow)
            else:
                self._slots.heed(at)

    def _play_after_write(self, written: Mapping[int, int]) -> None:
        if "33" in self.traps and PRIORITY in written:
            self._put_words({1102: int(written[PRIORITY] == 1), 1082: int(written[PRIORITY] == 2)})
        if "28" in self.traps and written.get(AUTHORITY) == 0 and EXPORT_MODE in self._settings:
            before = self._holding(EXPORT_MODE)
            self._put_words({EXPORT_MODE: 0})
            self._agenda.after(self.parameters.export_cleared_s, lambda: self._put_words({EXPORT_MODE: before}))
        hour = timedelta(hours=1)
        if "17" in self.traps and (self._rebooted_at is None or self._agenda.now - self._rebooted_at >= hour):
            self._rebooted_at = self._agenda.now
            self._agenda.after(self.parameters.reboot_after_write_s, self._reboot)

    # The clock

    def _set_clock(self, written: Mapping[int, int]) -> None:
        for fields in (CLOCK, VPP_CLOCK):
            if any(at in fields for at in written):
                local = self._clock_time(written, fields)
                assert local
                self._own_clock.set(local, self._agenda.now)

    def _clock_time(self, written: Mapping[int, int], fields: range) -> datetime | None:
        """What the clock would show after a write; None if there is no such time."""
        shown = self._own_clock.local(self._agenda.now)
        names = ("year", "month", "day", "hour", "minute", "second")
        changed = {name: written[at] for name, at in zip(names, fields, strict=True) if at in written}
        if changed.get("year", 100) < 100:
            changed["year"] += 2000
        try:
            return shown.replace(**changed)  # type: ignore[arg-type]
        except ValueError:
            return None

    def _show_clock(self) -> None:
        local = self._own_clock.local(self._agenda.now)
        rest = (local.month, local.day, local.hour, local.minute, local.second)
        odd = "54" in self.traps
        if CLOCK[0] in self._settings:
            weekday = (local.isoweekday() + odd) % 7
            shown = (local.year if odd else local.year % 100, *rest, weekday)
            self._put_words(dict(enumerate(shown, CLOCK[0])))
        if VPP_CLOCK[0] in self._settings:
            self._put_words(dict(enumerate((local.year % 100, *rest), VPP_CLOCK[0])))

    def _is_night(self) -> bool:
        shown = self._own_clock.local(self._clock.now()).time()
        return shown >= self.parameters.silent_from or shown < self.parameters.silent_until

    # Time passes

    def _minute(self, at: datetime) -> None:
        """At the start of each minute of the house."""
        local = self._own_clock.local(at)
        self._meter.minute(local, powers_kw(self._spec, self._house.powers_kw))
        self._settle(at)

    def _settle(self, at: datetime) -> None:
        self._agenda.pass_until(at)
        now = self._agenda.now
        self._own_clock.pass_until(now)
        truth = self._house.truth()
        soc, temperature_c = truth[f"{self._device}/soc"], truth[f"{self._device}/battery_temperature_c"]
        self._bms.see(now, float(soc), float(temperature_c))
        self._notice_grid(now)
        if now >= self._effect_from:
            self._order = self._decide(now)
        self._act(now)

    def _notice_grid(self, now: datetime) -> None:
        off = "49" in self.traps
        if self._off_grid and not off:
            self._idle_until = now + timedelta(seconds=self.parameters.return_s)
        self._off_grid = off

    def _decide(self, now: datetime) -> Order:
        local = self._own_clock.local(now)
        return as_trapped(self._order_of(local), self.traps, self.parameters)

    def _order_of(self, local: datetime) -> Order:
        get = self._holding
        if "vpp" in self.families and get(AUTHORITY):
            return self._vpp.order(local)
        if "tl_xh" in self.families:
            return tl_xh_order(get, self._slots, local)
        if "spa" in self.families or "sph" in self.families:
            order = sph_order(get, self._slots, local, load_slots="spa" in self.families)
            return with_load_first_floor(order, get(608))
        return Order()

    def _act(self, now: datetime) -> None:
        """Have the house follow."""
        conditions = self._conditions_at(now)
        if conditions != self._conditions:
            self._conditions = conditions
            self._house.befall(conditions)
        settings = self._house_settings(conditions)
        if settings != self._told:
            self._told = settings
            self._house.command(self._device, settings)

    def _house_settings(self, conditions: Conditions) -> Mapping[str, Value]:
        order, battery = self._order, self._spec.battery
        assert battery
        settings: dict[str, Value] = {
            "mode": order.mode,
            "battery_charge_grid": order.grid_charge,
            "grid_export": conditions.export_limit_kw > 0.0,
            "charge_power_kw": order.charge_rate * battery.charge_limit_kw,
            "discharge_power_kw": order.discharge_rate * battery.discharge_limit_kw,
        }
        stops = {"battery_first": order.charge_stop, "grid_first": order.discharge_stop}
        if order.mode in stops:
            settings["stop_soc"] = stops[order.mode] / 100
        return settings

    def _conditions_at(self, now: datetime) -> Conditions:
        get, parameters, rated_kw = self._holding, self.parameters, self._spec.ac_limit_kw
        lossy = "48" in self.traps
        converter_off = get(0) == 2 and 0 in self._settings
        return Conditions(
            output_limit_kw=rated_kw * self._limits.output_share(now),
            export_limit_kw=rated_kw * self._limits.export_share(self._metering, now),
            charge_limit_kw=0.0 if converter_off else self._bms.charge_limit_kw,
            discharge_limit_kw=0.0 if converter_off else self._bms.discharge_limit_kw,
            forced_charge_kw=self._bms.forced_charge_kw or self._charge_to_floor_kw(now),
            floor_soc=self._order.floor / 100,
            pv_share=parameters.derated_pv_share if "50" in self.traps else 1.0,
            battery_loss=parameters.loss if lossy else 0.0,
            standby_kw=parameters.standby_kw if lossy else 0.0,
            running=self._is_on() and now >= max(self._booting_until, self._idle_until),
            grid_present=not self._off_grid,
        )

    def _is_on(self) -> bool:
        if 0 in self._settings and self._holding(0) == 0:
            return False
        return not ("vpp" in self.families and self._holding(AUTHORITY) and self._holding(30101) == 0)

    def _charge_to_floor_kw(self, now: datetime) -> float:
        """A TL-XH charges up to a floor that lies above the present state of charge (#362)."""
        order = self._order
        if not order.charge_to_floor or self._bms.soc >= order.floor:
            self._below_floor_since = None
            return 0.0
        self._below_floor_since = self._below_floor_since or now
        settled = (now - self._below_floor_since).total_seconds() >= SETTLING_S
        return self._bms.charge_limit_kw * order.charge_rate if settled else 0.0

    def _measured(self) -> Measured:
        now = self._agenda.now
        return self._instruments.read(
            powers_kw(self._spec, self._house.powers_kw),
            self._bms,
            self._conditions,
            self._order.mode,
            self._own_clock.local(now),
            booting=now < self._booting_until,
            export_failed=self._limits.failed(now),
            output_share=self._limits.output_share(now),
        )

    # Registers

    def _holding(self, address: int) -> int:
        return self.get("holding", address)

    def _put_one(self, address: int, value: int) -> None:
        self.put("holding", address, value)

    def _put_words(self, words: Mapping[int, int]) -> None:
        for address, value in words.items():
            self.put("holding", address, value)

    def _put_many(self, words: Mapping[int, int]) -> None:
        """What the memory takes or takes back, and what follows from it."""
        self._put_words(words)
        if words:
            self._vpp.written(range(min(words), max(words) + 1))

    def _put_input(self, address: int, value: float, words: int) -> None:
        # What does not fit wraps, as it does in the real registers.
        self.put("input", address, round(value) % (1 << 16 * words), words)


def _families(family: Family | Iterable[Family]) -> tuple[Family, ...]:
    asked = {family} if isinstance(family, str) else set(family)
    found = tuple(name for name in FAMILIES if name in asked)
    if len(found) != len(asked) or not found:
        raise ValueError(f"the family is {', '.join(sorted(asked)) or 'none'}; allowed: {', '.join(FAMILIES)}")
    return found


def _spec(live_house: LiveHouse, device: str) -> HybridInverterSpec:
    spec = live_house.house.equipment.get(device)
    if not isinstance(spec, HybridInverterSpec) or spec.battery is None:
        raise ValueError(f"{device!r} is no hybrid inverter with a battery in this house")
    return spec


def _groups(families: Iterable[Family]) -> Mapping[Space, list[range]]:
    spaces: tuple[Space, ...] = ("holding", "input")
    return {space: [group for name in families for group in GROUPS[name][space]] for space in spaces}


def _settings(families: Iterable[Family], dtc: int, metering: int, spec: HybridInverterSpec) -> Mapping[int, Setting]:
    assert spec.battery
    rated_w, battery_w = round(spec.ac_limit_kw * 1000), round(spec.battery.charge_limit_kw * 1000)
    tables: Mapping[Family, Mapping[int, Setting]] = {
        "sph": sph(dtc, metering),
        "spa": spa(dtc, metering),
        "tl_xh": tl_xh(dtc, metering),
        "vpp": vpp(dtc, rated_w, battery_w, rated_w, load_first_floor="tl_xh" not in families and dtc < 5000),
    }
    return {at: setting for name in families for at, setting in tables[name].items()}

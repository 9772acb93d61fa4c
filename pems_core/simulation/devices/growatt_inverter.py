"""A Growatt inverter with a battery, as its registers show it; the simulated house follows what it does.

Written from the protocol documents and field reports in protocols A and E alone, without looking at the plugin that
talks to it. An inverter to which nobody talks goes on acting on its stored slots.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import get_args

import numpy as np

from pems_core.clock import Clock
from pems_core.domain import BatterySpec, HybridInverterSpec, Value
from pems_core.simulation.twins.conditions import GOOD_DAY
from pems_core.transport.lines import Space

from .growatt_agenda import Agenda
from .growatt_bms import GrowattBms
from .growatt_clock import GrowattClock, clock_after, clock_words, sets_clock
from .growatt_firmware import GrowattFirmware
from .growatt_inputs import (
    Put,
    put_spa,
    put_sph,
    put_storage,
    put_tl_xh,
    put_tl_xh_battery,
    put_tl_xh_low,
    put_vpp,
)
from .growatt_limits import GrowattLimits
from .growatt_measured import Measured
from .growatt_measuring import GrowattInstruments, powers_kw
from .growatt_memory import WriteMemory
from .growatt_meter import GrowattMeter
from .growatt_orders import Order, SlotBook
from .growatt_parameters import GrowattParameters
from .growatt_rules import PRIORITY, WriteRules
from .growatt_settings import GROUPS, Family, Setting, spa, sph, tl_xh, vpp
from .growatt_vpp import AUTHORITY, VppControl
from .live_house import LiveHouse
from .registers import OUT_OF_RANGE, ModbusException, RegisterBank
from .traps import Traps

FAMILIES: tuple[Family, ...] = get_args(Family)
DTC: Mapping[Family, int] = {"sph": 3502, "spa": 3735, "tl_xh": 5400, "vpp": 5100}
"""Device types of protocols A.1."""
BATTERY_V: Mapping[Family, float] = {"sph": 204.8, "spa": 51.2, "tl_xh": 400.0, "vpp": 400.0}
EXPORT_MODE, GRID_FIRST_ENABLE, BATTERY_FIRST_ENABLE = 122, 1082, 1102
TICK_S = 5.0
REBOOTS_APART = timedelta(hours=1)
Show = Callable[[Put, Measured, Traps], None]
SHOWN: Mapping[Family, Sequence[Show]] = {
    "sph": (put_sph, put_storage),
    "spa": (put_storage, put_spa),
    "tl_xh": (put_tl_xh_low, put_tl_xh, put_tl_xh_battery),
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
        :param timezone: of its clock.
        :param parameters: how hard the traps bite.
        :param metering: the plant's metering device and first value of register 122: 1 meter, 3 CT.
        :param dtc: its device type, if not the usual one of its family.
        :raises ValueError: if the family is unknown, or the house has no such inverter with a battery.
        """
        self.families = _families(family)
        super().__init__(_groups(self.families), traps)
        self.parameters = parameters or GrowattParameters()
        self._house, self._clock, self._device = live_house, clock, device
        self._spec, self._battery = _specs(live_house, device)
        now, main = clock.now(), self.families[0]
        self._settings = _settings(self.families, dtc or DTC[main], metering, self._spec, self._battery)
        self._put_words({at: setting.default for at, setting in self._settings.items()})
        trapped = self.traps, self.parameters
        self._agenda = Agenda(now)
        self._own_clock = GrowattClock(now, timezone, *trapped)
        self._meter = GrowattMeter(*trapped)
        self._bms = GrowattBms(self._battery, *trapped)
        self._instruments = GrowattInstruments(*trapped, self._meter, battery_v or BATTERY_V[main])
        self._slots = SlotBook(self.traps, np.random.default_rng(seed))
        self._vpp = VppControl(self._holding, self._put_one, self._agenda, *trapped)
        self._rules = WriteRules(self._settings, self.families, self._holding, *trapped)
        self._memory = WriteMemory(self._holding, self._put_written, self._agenda, *trapped)
        fail_safe = 3000 if "tl_xh" in self.families else 304 if main != "vpp" else None
        self._limits = GrowattLimits(self._holding, *trapped, now, vpp="vpp" in self.families, fail_safe=fail_safe)
        self._firmware = GrowattFirmware(
            self.families,
            self._holding,
            self._slots,
            self._vpp,
            self._bms,
            self._limits,
            *trapped,
            now,
            rated_kw=self._spec.ac_limit_kw,
            metering=metering,
        )
        self._rebooted_at: datetime | None = None
        self._befell, self._told = GOOD_DAY, dict[str, Value]()
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
        return self._firmware.order

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
        """Lose what is not stored, wait, and go on with the stored slots (trap 17)."""
        self.live()
        self._reboot()
        self._settle(self._agenda.now)

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
        if self._rules.is_deaf(written):
            self.writes.update(written)
            return
        super().write(address, values, single)

    def refresh(self) -> None:
        self.live()
        self._limits.talked(self._agenda.now)
        shown = clock_words(self._own_clock.local(self._agenda.now), self.traps)
        self._put_words({at: value for at, value in shown.items() if at in self._settings})
        measured = self._measured()
        for name in self.families:
            for show in SHOWN[name]:
                show(self._put_input, measured, self.traps)

    def check(self, address: int, values: Sequence[int], single: bool) -> None:
        written = dict(enumerate(values, address))
        self._rules.check(written)
        if sets_clock(written):
            try:
                clock_after(self._own_clock.local(self._agenda.now), written)
            except ValueError as error:
                raise ModbusException(OUT_OF_RANGE) from error

    def apply(self, address: int, values: Sequence[int], single: bool) -> None:
        written, now = dict(enumerate(values, address)), self._agenda.now
        local = self._own_clock.local(now)
        if sets_clock(written):
            self._own_clock.set(clock_after(local, written), now)
        slot = self._rules.slot_of(address)
        kept = frozenset(at for at in written if self._rules.keeps(at, self.writes[at]))
        self._slots.written(written, local)
        self._memory.write(written, kept, slot, loose=self._rules.is_loose(slot, single=single))
        self._play_after_write(written)
        self._settle(now)

    def _play_after_write(self, written: Mapping[int, int]) -> None:
        now, parameters = self._agenda.now, self.parameters
        if "3" in self.traps:
            self._firmware.stay(now)
        if PRIORITY in written:
            # Taken with trap 33 only; some SPH firmware then toggles the enables of slot 1 (#388).
            mode = written[PRIORITY]
            self._put_words({BATTERY_FIRST_ENABLE: int(mode == 1), GRID_FIRST_ENABLE: int(mode == 2)})
        if "28" in self.traps and written.get(AUTHORITY) == 0 and EXPORT_MODE in self._settings:
            before = {EXPORT_MODE: self._holding(EXPORT_MODE)}
            self._put_words({EXPORT_MODE: 0})
            self._agenda.after(parameters.export_cleared_s, lambda: self._put_words(before))
        if "17" in self.traps and (self._rebooted_at is None or now - self._rebooted_at >= REBOOTS_APART):
            self._rebooted_at = now
            self._agenda.after(parameters.reboot_after_write_s, self._reboot)

    def _reboot(self) -> None:
        self._rebooted_at = self._agenda.now
        lost = {at: setting.default for at, setting in self._settings.items() if not self._rules.is_stored(at)}
        self._put_words(lost)
        self._firmware.boot(self._agenda.now)

    def _is_night(self) -> bool:
        shown = self._own_clock.local(self._clock.now()).time()
        return shown >= self.parameters.silent_from or shown < self.parameters.silent_until

    def _minute(self, at: datetime) -> None:
        """At the start of each minute of the house."""
        self._meter.minute(self._own_clock.local(at), powers_kw(self._spec, self._house.powers_kw))
        self._settle(at)

    def _settle(self, at: datetime) -> None:
        """Let time pass until an instant, decide, and have the house follow."""
        self._agenda.pass_until(at)
        now = self._agenda.now
        self._own_clock.pass_until(now)
        truth = self._house.truth()
        soc, temperature_c = truth[f"{self._device}/soc"], truth[f"{self._device}/battery_temperature_c"]
        self._bms.see(now, float(soc), float(temperature_c))
        self._firmware.decide(now, self._own_clock.local(now))
        if self._firmware.conditions != self._befell:
            self._befell = self._firmware.conditions
            self._house.befall(self._befell)
        controls = dict(self._firmware.controls(self._battery))
        if controls != self._told:
            self._told = controls
            self._house.command(self._device, controls)

    def _measured(self) -> Measured:
        now = self._agenda.now
        return self._instruments.read(
            powers_kw(self._spec, self._house.powers_kw),
            self._bms,
            self._firmware.conditions,
            self._firmware.order.mode,
            self._own_clock.local(now),
            booting=self._firmware.is_booting(now),
            export_failed=self._limits.failed(now),
            output_share=self._limits.output_share(now),
        )

    def _holding(self, address: int) -> int:
        return self.get("holding", address)

    def _put_one(self, address: int, value: int) -> None:
        self.put("holding", address, value)

    def _put_words(self, words: Mapping[int, int]) -> None:
        for address, value in words.items():
            self.put("holding", address, value)

    def _put_written(self, words: Mapping[int, int]) -> None:
        """What the memory takes or takes back, and what remote control makes of it."""
        self._put_words(words)
        self._vpp.written(frozenset(words))

    def _put_input(self, address: int, value: float, words: int) -> None:
        # What does not fit wraps, as it does in the real registers.
        self.put("input", address, round(value) % (1 << 16 * words), words)


def _families(family: Family | Iterable[Family]) -> tuple[Family, ...]:
    asked = {family} if isinstance(family, str) else set(family)
    found = tuple(name for name in FAMILIES if name in asked)
    if len(found) != len(asked) or not found:
        raise ValueError(f"the family is {', '.join(sorted(asked)) or 'none'}; allowed: {', '.join(FAMILIES)}")
    return found


def _specs(live_house: LiveHouse, device: str) -> tuple[HybridInverterSpec, BatterySpec]:
    spec = live_house.house.equipment.get(device)
    if not isinstance(spec, HybridInverterSpec) or spec.battery is None:
        raise ValueError(f"{device!r} is no hybrid inverter with a battery in this house")
    return spec, spec.battery


def _groups(families: Iterable[Family]) -> Mapping[Space, list[range]]:
    spaces: tuple[Space, ...] = ("holding", "input")
    return {space: [group for name in families for group in GROUPS[name][space]] for space in spaces}


def _settings(
    families: Iterable[Family], dtc: int, metering: int, spec: HybridInverterSpec, battery: BatterySpec
) -> Mapping[int, Setting]:
    rated_w, battery_w = round(spec.ac_limit_kw * 1000), round(battery.charge_limit_kw * 1000)
    tables: Mapping[Family, Mapping[int, Setting]] = {
        "sph": sph(dtc, metering),
        "spa": spa(dtc, metering),
        "tl_xh": tl_xh(dtc, metering),
        # Register 30406 is for SPH and SPA only, whose device types begin with 35 to 37.
        "vpp": vpp(dtc, rated_w, battery_w, rated_w, load_first_floor=dtc < 5000),
    }
    return {at: setting for name in families for at, setting in tables[name].items()}

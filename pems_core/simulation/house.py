"""A house that answers commands with physics, apart from any model that a plan is made with."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, TypeVar

import numpy as np
import pandas as pd

from pems_core.domain import (
    QUARTER,
    Control,
    ControlKind,
    Decision,
    Equipment,
    FlexibleLoadSpec,
    GridSpec,
    HeatingSpec,
    HybridInverterSpec,
    PvSpec,
    Reading,
    Readings,
    Value,
    require_utc,
)

from .flow_log import FlowLog
from .inputs import Inputs
from .scenario import Scenario
from .sensors import Sensors, good_reading
from .twins.clock import MINUTE, MINUTE_H
from .twins.commands import CommandBook
from .twins.conditions import GOOD_DAY, Conditions
from .twins.flexible_load import FlexibleLoadTwin
from .twins.heating import HeatingTwin, RoomComfort
from .twins.inverter import MODES, InverterFlow, InverterSettings, InverterTwin
from .twins.rooms import with_thermal_error

FLOWS = (
    "grid_import_kw",
    "grid_export_kw",
    "pv_kw",
    "pv_curtailed_kw",
    "battery_charge_kw",
    "battery_discharge_kw",
    "base_load_kw",
    "heating_kw",
    "flexible_load_kw",
    "battery_terminal_charge_kw",
    "battery_terminal_discharge_kw",
    "unserved_kw",
    "import_excess_kw",
)
S = TypeVar("S", HybridInverterSpec, HeatingSpec)
AT_REST = InverterFlow(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class StoredEnergy:
    """What a house could still use."""

    battery_kwh: float
    """In the cells, above the floor; negative below it."""
    heat_kwh: float
    """In air and slabs of all rooms, relative to 0 °C."""
    useful_heat_kwh: float
    """Of this what is not above the comfort bands: heat that nobody wants is worth nothing."""


class _Bus(NamedTuple):
    """Powers of one minute at the house bus [kW]."""

    load_kw: float
    inverter: InverterFlow
    ac_pv_kw: float
    ac_curtailed_kw: float

    @property
    def grid_kw(self) -> float:
        """Import, or export below zero."""
        return self.load_kw - self.ac_pv_kw - self.inverter.to_house_kw + self.inverter.from_house_kw


class SimulatedHouse:
    """One house on one scenario, in steps of a minute. `copy.deepcopy` gives a second one in the same state.

    Local control without a valid command: the inverter is in `load_first` and may feed in, rooms follow their
    thermostats and the comfort schedule, flexible loads run as soon as they may.

    Limits of the grid connection: the inverter never charges from the grid beyond the import limit. Above it heaters
    are cut for the minute (the last listed room first), then flexible loads; this is `unserved_kw`. The base load
    is never cut: what it takes beyond the limit is `import_excess_kw`. Above the export limit PV is curtailed.
    """

    def __init__(
        self,
        equipment: Mapping[str, Equipment],
        grid: GridSpec,
        scenario: Scenario,
        start: datetime,
        *,
        seed: int = 0,
        noise: bool = True,
        thermal_error: Mapping[str, float] | None = None,
        soc: float = 0.5,
        interval: timedelta = QUARTER,
    ) -> None:
        """Start with rooms at the setpoint of their schedule and slabs at rest in the first day's mean weather.

        :param thermal_error: factors by `<room>.<parameter>` or `<parameter>` by which the true rooms differ from
            `equipment`; see `with_thermal_error` and `seeded_thermal_error`.
        :param soc: state of charge at the start, 0..1.
        :param interval: of `flows`, counted from `start`.
        :raises ValueError: if there is more than one hybrid inverter or heating, or PV shares exceed the whole.
        :raises BadSeries: if the scenario does not cover `start`.
        """
        _check(equipment, soc)
        self.now = require_utc(start, "start")
        self.equipment = dict(equipment)
        self._grid = grid
        self._conditions = GOOD_DAY
        self._inputs = Inputs(scenario, start)
        self._elapsed = 0
        self._row = -1
        outdoor_c, ghi_w_m2 = self._inputs.first_day_means()
        self._inverter_name, inverter = _first(equipment, HybridInverterSpec)
        self._inverter = InverterTwin(inverter, soc, outdoor_c) if inverter else None
        self._inverter_pv_share = inverter.pv_share if inverter else 0.0
        self._heating_name, heating = _first(equipment, HeatingSpec)
        rooms = with_thermal_error(heating or NO_ROOMS, thermal_error or {})
        self._heating = HeatingTwin(rooms, start, outdoor_c, ghi_w_m2)
        loads = {name: spec for name, spec in equipment.items() if isinstance(spec, FlexibleLoadSpec)}
        self._loads = {name: FlexibleLoadTwin(spec, start) for name, spec in loads.items()}
        pv = [spec for spec in equipment.values() if isinstance(spec, PvSpec)]
        self._ac_pv_share = sum(spec.pv_share for spec in pv)
        self._curtailable_share = sum(spec.pv_share for spec in pv if spec.curtailable)
        self._controls = {name: _controls(spec) for name, spec in equipment.items()}
        self._commands = CommandBook()
        self._next_command = self.now
        self._sensors = Sensors(seed, noise)
        self._metered_kwh = np.zeros(4)
        self._metered_minutes = 0
        # A load called `flexible_load` has its column already: it is the sum.
        columns = {f"{name}_kw": load for name, load in self._loads.items() if f"{name}_kw" not in FLOWS}
        self._logged_loads = tuple(columns.values())
        levels = ["soc", *(f"{name}_c" for name in self._heating.names)]
        self._log = FlowLog(start, interval, [*FLOWS, *columns], levels)
        self._powers_kw: dict[str, float] = dict.fromkeys([*FLOWS, *columns], 0.0)
        self._flow_names = tuple(self._powers_kw)

    def copy(self) -> "SimulatedHouse":
        """A second house in the same state, which lives on by itself."""
        return deepcopy(self)

    def apply(self, decisions: Sequence[Decision]) -> None:
        """Tell the devices what is desired; each holds until it is replaced or expires.

        :raises ValueError: if a device, a control or a value is unknown; all faults at once, and nothing is applied.
        """
        faults = [fault for decision in decisions if (fault := self._fault(decision))]
        if faults:
            raise ValueError("\n".join(faults))
        self._commands.put(decisions)
        self._next_command = self.now

    def befall(self, conditions: Conditions) -> None:
        """Have inverter, battery and grid work under these conditions from now on.

        An outage of the grid cuts heaters, flexible loads and at last the base load down to what the inverter gives.
        """
        self._conditions = conditions
        if self._inverter:
            self._inverter.conditions = conditions

    def stand(self, levels: Mapping[str, float]) -> None:
        """Stand as another house stood.

        :param levels: `<inverter>.soc`, and of rooms `<heating>.<room>_c`, `_slab_c` and `_relay`, which is 1 while on;
            what is left out stays.
        """
        soc = levels.get(f"{self._inverter_name}.soc")
        if soc is not None:
            self.recalibrate(min(1.0, max(0.0, soc)))
        for i, room in enumerate(self._heating.names):
            thermal, name = self._heating.thermal, f"{self._heating_name}.{room}"
            thermal.air_c[i] = levels.get(f"{name}_c", thermal.air_c[i])
            thermal.slab_c[i] = levels.get(f"{name}_slab_c", thermal.slab_c[i])
            if (relay := levels.get(f"{name}_relay")) is not None:
                self._heating.stand(i, on=relay > 0.5)

    def recalibrate(self, soc: float) -> None:
        """Set the state of charge, 0..1, as when a battery finds that it holds more or less than it thought."""
        if self._inverter and self._inverter.battery:
            self._inverter.battery.recalibrate(soc)

    def advance(self, until: datetime) -> None:
        """Let time pass in whole minutes.

        :raises BadSeries: if the scenario ends before.
        """
        require_utc(until, "until")
        if until < self.now or (until - self.now) % MINUTE:
            raise ValueError(f"until is {until}; whole minutes after {self.now} are allowed")
        self._inputs.require(until)
        while self.now < until:
            self._minute()

    def readings(self) -> Readings:
        """What the instruments of the house say now; `site/*` powers are means since they were last asked."""
        points = {**self._site_readings(), **self._inverter_readings(), **self._room_readings()}
        for name, load in self._loads.items():
            points[f"{name}/energy_needed_kwh"] = self._reading(load.needed_kwh, "kWh")
        return Readings(self.now, points)

    def flows(self) -> pd.DataFrame:
        """What happened in each whole interval since the start, labelled by its start in UTC.

        Means [kW], never negative, in AC equivalents, so that in each row

        grid_import + pv + battery_discharge
            == grid_export + battery_charge + base_load + heating + flexible_load

        `pv_kw` is DC power times the inverting efficiency, whether it went to the house or the battery; the battery's
        two flows are what the inverter gives to the house beyond it, or takes. Losses of rectifying thus count as
        `battery_charge_kw`. `soc` moves by `battery_terminal_charge_kw` and `battery_terminal_discharge_kw`.
        `<load>_kw` are the parts of `flexible_load_kw`. `soc` and `<room>_c` [°C] hold at the end of the interval,
        `soc` is empty without a battery. `cost` is import less feed-in at their prices [currency].
        """
        return self._log.frame()

    @property
    def powers_kw(self) -> Mapping[str, float]:
        """The flows of the last minute [kW], named and counted as in `flows`; zeros before the first."""
        return self._powers_kw

    def truth(self) -> Mapping[str, Value]:
        """The points of `readings` as they really are now, without instruments; no `site/*` powers."""
        points: dict[str, Value] = {}
        if self._inverter is not None and self._inverter.battery is not None:
            points[f"{self._inverter_name}/soc"] = self._inverter.battery.soc
            points[f"{self._inverter_name}/battery_temperature_c"] = self._inverter.battery.temperature_c
        heating = self._heating
        for room, air_c, on, energy_kwh in zip(
            heating.names, heating.thermal.air_c, heating.relay_on, heating.energy_kwh, strict=True
        ):
            point = f"{self._heating_name}/{room}"
            points[f"{point}_temperature_c"] = float(air_c)
            points[f"{point}_relay"] = bool(on)
            points[f"{point}_heat_kwh"] = float(energy_kwh)
        row = self._inputs.at(self._inputs.row(self._elapsed) if self.now < self._inputs.end else self._row)
        points["site/outdoor_temperature_c"], points["site/ghi_w_m2"] = row[4], row[5]
        return points

    def stored_energy(self) -> StoredEnergy:
        """What is stored now, in the rooms as they really are."""
        battery = self._inverter.battery if self._inverter else None
        outdoor_c = self._inputs.at(self._inputs.row(self._elapsed) if self.now < self._inputs.end else self._row)[4]
        return StoredEnergy(
            battery.above_floor_kwh if battery else 0.0,
            self._heating.thermal.heat_kwh,
            self._heating.useful_heat_kwh(self.now, outdoor_c),
        )

    def comfort(self) -> Mapping[str, RoomComfort]:
        """By room, from the start until now."""
        return self._heating.comfort()

    def unserved_kwh(self) -> Mapping[str, float]:
        """By flexible load: what was missing at its deadlines."""
        return {name: load.unserved_kwh for name, load in self._loads.items()}

    def _minute(self) -> None:
        if self.now >= self._next_command:
            self._follow_commands()
        row = self._inputs.row(self._elapsed)
        weather_changed, self._row = row != self._row, row
        import_price, feed_in_price, pv_kw, base_kw, outdoor_c, ghi = self._inputs.at(row)
        heating_kw = self._heating.switch(self.now)
        flexible_kw = sum(load.switch(self.now) for load in self._loads.values())
        mode = self._inverter.settings.mode if self._inverter else ""
        bus = self._balance(base_kw + heating_kw + flexible_kw, pv_kw)
        unserved_kw = 0.0
        import_limit_kw = self._grid.import_limit_kw if self._conditions.grid_present else 0.0
        if bus.grid_kw > import_limit_kw + 1e-9:
            cut_heating_kw, cut_flexible_kw = self._shed(bus.grid_kw - import_limit_kw)
            unserved_kw = cut_heating_kw + cut_flexible_kw
            heating_kw, flexible_kw = heating_kw - cut_heating_kw, flexible_kw - cut_flexible_kw
            bus = self._balance(base_kw + heating_kw + flexible_kw, pv_kw, may_charge_from_grid=False)
            if not self._conditions.grid_present and bus.grid_kw > 0.0:
                dark_kw = min(base_kw, bus.grid_kw)
                base_kw, unserved_kw = base_kw - dark_kw, unserved_kw + dark_kw
                bus = bus._replace(load_kw=bus.load_kw - dark_kw)
        self._heating.finish(outdoor_c, ghi, weather_changed)
        for load in self._loads.values():
            load.finish()
        if self._inverter:
            self._inverter.minute(bus.inverter, outdoor_c)
        self._elapsed += 1
        self.now += MINUTE
        self._record(bus, base_kw, heating_kw, flexible_kw, unserved_kw, (import_price, feed_in_price), mode)

    def _balance(self, load_kw: float, pv_kw: float, *, may_charge_from_grid: bool = True) -> _Bus:
        """What inverter and PV do for a load in this minute."""
        ac_pv_kw = pv_kw * self._ac_pv_share
        net_kw = load_kw - ac_pv_kw
        grid_present = self._conditions.grid_present
        export_limit_kw = self._grid.export_limit_kw if grid_present else 0.0
        flow, may_export_kw = AT_REST, export_limit_kw
        if self._inverter:
            may_charge_from_grid = may_charge_from_grid and grid_present
            room_kw = max(0.0, self._grid.import_limit_kw - net_kw) if may_charge_from_grid else 0.0
            flow = self._inverter.dispatch(net_kw, pv_kw * self._inverter_pv_share, export_limit_kw, room_kw)
            passed_kw = min(export_limit_kw, self._conditions.export_limit_kw)
            may_export_kw = passed_kw if self._inverter.settings.grid_export else 0.0
        bus = _Bus(load_kw, flow, ac_pv_kw, 0.0)
        too_much_kw = -bus.grid_kw - may_export_kw
        if too_much_kw <= 0.0:
            return bus
        curtailed_kw = min(too_much_kw, pv_kw * self._curtailable_share)
        return bus._replace(ac_pv_kw=ac_pv_kw - curtailed_kw, ac_curtailed_kw=curtailed_kw)

    def _shed(self, excess_kw: float) -> tuple[float, float]:
        """Cut heaters, then flexible loads; returns what each gave [kW]."""
        heating_kw = self._heating.shed(excess_kw)
        flexible_kw = 0.0
        for load in self._loads.values():
            left_kw = excess_kw - heating_kw - flexible_kw
            if left_kw > 0.0:
                flexible_kw += load.shed(left_kw)
        return heating_kw, flexible_kw

    def _record(
        self,
        bus: _Bus,
        base_kw: float,
        heating_kw: float,
        flexible_kw: float,
        unserved_kw: float,
        prices: tuple[float, float],
        mode: str,
    ) -> None:
        flow = bus.inverter
        import_kw, export_kw = max(0.0, bus.grid_kw), max(0.0, -bus.grid_kw)
        battery_kw = flow.to_house_kw - flow.from_house_kw - flow.pv_kw
        pv_kw = bus.ac_pv_kw + flow.pv_kw
        flows = [
            import_kw,
            export_kw,
            pv_kw,
            bus.ac_curtailed_kw + flow.curtailed_kw,
            max(0.0, -battery_kw),
            max(0.0, battery_kw),
            base_kw,
            heating_kw,
            flexible_kw,
            flow.charge_kw,
            flow.discharge_kw,
            unserved_kw,
            max(0.0, import_kw - self._grid.import_limit_kw),
            *[load.power_kw for load in self._logged_loads],
        ]
        self._metered_kwh += [import_kw, export_kw, pv_kw, bus.load_kw]
        self._metered_minutes += 1
        self._powers_kw = dict(zip(self._flow_names, flows, strict=True))
        cost = (import_kw * prices[0] - export_kw * prices[1]) * MINUTE_H
        if self._log.minute(flows, cost, mode):
            battery = self._inverter.battery if self._inverter else None
            self._log.close(np.array([battery.soc if battery else np.nan, *self._heating.thermal.air_c]))

    def _follow_commands(self) -> None:
        """Hand each device the commands that hold now; what nobody commands is under local control."""
        by_device: dict[str, dict[str, Value]] = {name: {} for name in self._controls}
        for (device, control), value in self._commands.in_force(self.now).items():
            by_device[device][control] = value
        if self._inverter:
            self._inverter.command(InverterSettings.of(by_device[self._inverter_name]))
        self._heating.command(by_device.get(self._heating_name, {}))
        for name, load in self._loads.items():
            power_kw = by_device[name].get("power_kw")
            load.command(None if power_kw is None else float(power_kw))
        self._next_command = self._commands.next_change(self.now)

    def _fault(self, decision: Decision) -> str | None:
        controls = self._controls.get(decision.device)
        if controls is None:
            return f"there is no device {decision.device!r}; there are: {', '.join(self._controls) or 'none'}"
        control = controls.get(decision.control)
        if control is None:
            known = ", ".join(controls) or "none"
            return f"{decision.device} has no control {decision.control!r}; there are: {known}"
        fault = control.fault(decision.value)
        return f"{decision.device}: {fault}" if fault else None

    def _reading(self, value: Value, unit: str = "") -> Reading:
        return good_reading(value, unit, self.now)

    def _site_readings(self) -> dict[str, Reading]:
        row = self._inputs.at(self._inputs.row(self._elapsed) if self.now < self._inputs.end else self._row)
        if self._metered_minutes:
            means_kw = self._metered_kwh / self._metered_minutes
        else:
            # Nothing has flowed yet: what will with everything at rest.
            pv_kw, load_kw = row[2] * (self._inverter_pv_share + self._ac_pv_share), row[3]
            means_kw = np.array([max(0.0, load_kw - pv_kw), max(0.0, pv_kw - load_kw), pv_kw, load_kw])
        self._metered_kwh = np.zeros(4)
        self._metered_minutes = 0
        powers = zip(("import_kw", "export_kw", "pv_kw", "load_kw"), means_kw, strict=True)
        return {
            "site/outdoor_temperature_c": self._reading(self._sensors.temperature_c(row[4]), "°C"),
            "site/ghi_w_m2": self._reading(self._sensors.power(row[5]), "W/m2"),
            **{f"site/{name}": self._reading(self._sensors.power(kw), "kW") for name, kw in powers},
        }

    def _inverter_readings(self) -> dict[str, Reading]:
        if self._inverter is None:
            return {}
        name, settings, battery = self._inverter_name, self._inverter.settings, self._inverter.battery
        points = {
            f"{name}/mode": self._reading(settings.mode),
            f"{name}/grid_export": self._reading(settings.grid_export),
        }
        if battery is not None:
            points[f"{name}/soc"] = self._reading(self._sensors.soc(battery.soc), "share")
            temperature_c = self._sensors.temperature_c(battery.temperature_c)
            points[f"{name}/battery_temperature_c"] = self._reading(temperature_c, "°C")
        return points

    def _room_readings(self) -> dict[str, Reading]:
        heating, points = self._heating, {}
        columns = zip(heating.names, heating.thermal.air_c, heating.relay_on, heating.energy_kwh, strict=True)
        for room, air_c, on, energy_kwh in columns:
            point = f"{self._heating_name}/{room}"
            points[f"{point}_temperature_c"] = self._reading(self._sensors.temperature_c(air_c), "°C")
            points[f"{point}_relay"] = self._reading(bool(on))
            points[f"{point}_heat_kwh"] = self._reading(float(energy_kwh), "kWh")
        return points


NO_ROOMS = HeatingSpec(rooms=(), discomfort_price_per_kh=0.0, steep_discomfort_price_per_kh=0.0)


def _first(equipment: Mapping[str, Equipment], kind: type[S]) -> tuple[str, S | None]:
    """The one piece of a kind, if there is one."""
    return next(((name, spec) for name, spec in equipment.items() if isinstance(spec, kind)), ("", None))


def _check(equipment: Mapping[str, Equipment], soc: float) -> None:
    faults = []
    own = {"grid_import", "grid_export", "pv", "base_load", "heating"}
    for name, spec in equipment.items():
        if isinstance(spec, FlexibleLoadSpec) and name in own:
            faults.append(f"a flexible load is called {name!r}; any name but {', '.join(sorted(own))} is allowed")
    for kind, what in ((HybridInverterSpec, "hybrid inverter"), (HeatingSpec, "heating")):
        found = [name for name, spec in equipment.items() if isinstance(spec, kind)]
        if len(found) > 1:
            faults.append(f"equipment has {', '.join(found)}; at most one {what} is allowed")
    share = sum(spec.pv_share for spec in equipment.values() if isinstance(spec, HybridInverterSpec | PvSpec))
    if share > 1.0 + 1e-9:
        faults.append(f"the pv_share of all inverters adds up to {share:g}; at most 1 is allowed")
    if not 0.0 <= soc <= 1.0:
        faults.append(f"soc is {soc:g}; 0 to 1 is allowed")
    if faults:
        raise ValueError("\n".join(faults))


def _controls(spec: Equipment) -> dict[str, Control]:
    """What a device of the house can be told, by control."""
    if isinstance(spec, HybridInverterSpec):
        controls = [
            Control("mode", ControlKind.CHOICE, options=MODES),
            Control("battery_charge_grid", ControlKind.SWITCH),
            Control("grid_export", ControlKind.SWITCH),
            Control("charge_power_kw", ControlKind.NUMBER, "kW", lowest=0.0),
            Control("discharge_power_kw", ControlKind.NUMBER, "kW", lowest=0.0),
            Control("stop_soc", ControlKind.NUMBER, lowest=0.0, highest=1.0),
        ]
    elif isinstance(spec, HeatingSpec):
        switches = [Control(f"{room.name}_relay", ControlKind.SWITCH) for room in spec.rooms]
        controls = [*switches, *(Control(f"{room.name}_setpoint_c", ControlKind.NUMBER, "°C") for room in spec.rooms)]
    elif isinstance(spec, FlexibleLoadSpec):
        controls = [Control("power_kw", ControlKind.NUMBER, "kW", lowest=0.0)]
    else:
        controls = []
    return {control.name: control for control in controls}

"""What the instruments of the inverter make of the house's true powers."""

from collections.abc import Mapping
from datetime import datetime

from pems_core.domain import HybridInverterSpec
from pems_core.simulation.twins.conditions import Conditions

from .growatt_bms import GrowattBms
from .growatt_measured import Measured
from .growatt_meter import COUNTED, GrowattMeter
from .growatt_parameters import GrowattParameters
from .growatt_slots import Mode
from .traps import Traps

WAITING, SELF_TEST, FAULT, ON_GRID, ON_GRID_BATTERY, OFF_GRID, OFF_GRID_BATTERY = 0, 1, 3, 5, 6, 7, 8
EXPORT_FAIL_SAFE, NO_GRID = 311, 302
"""Faults of protocols A.9."""
BMS_ABNORMAL, METER_ABNORMAL, WARNING_NO_GRID = 217, 401, 300
"""Warnings."""
NOISE_W = -0.5
"""What a power of zero shows with trap 20."""


def powers_kw(spec: HybridInverterSpec, flows_kw: Mapping[str, float]) -> dict[str, float]:
    """The house's flows as the inverter counts them: PV and battery on the DC side [kW]."""
    ac_kw = flows_kw["pv_kw"] + flows_kw["battery_discharge_kw"] - flows_kw["battery_charge_kw"]
    load_kw = flows_kw["base_load_kw"] + flows_kw["heating_kw"] + flows_kw["flexible_load_kw"]
    return {
        "pv": flows_kw["pv_kw"] / spec.inverting_efficiency,
        "ac": ac_kw,
        "ac_charge": max(0.0, -ac_kw),
        "charge": flows_kw["battery_terminal_charge_kw"],
        "discharge": flows_kw["battery_terminal_discharge_kw"],
        "import": flows_kw["grid_import_kw"],
        "export": flows_kw["grid_export_kw"],
        "load": load_kw,
    }


class GrowattInstruments:
    """Turns powers into what the registers will say, as the traps distort it."""

    def __init__(self, traps: Traps, parameters: GrowattParameters, meter: GrowattMeter, battery_v: float) -> None:
        self._traps, self._parameters, self._meter, self._battery_v = traps, parameters, meter, battery_v
        self._reads = 0

    def read(
        self,
        powers: Mapping[str, float],
        bms: GrowattBms,
        conditions: Conditions,
        mode: Mode,
        local: datetime,
        *,
        booting: bool,
        export_failed: bool,
        output_share: float,
    ) -> Measured:
        """
        :param powers: as `powers_kw` gives them.
        :param local: what the inverter's clock shows.
        """
        watts = self._watts(powers)
        return Measured(
            pv_w=watts["pv"],
            ac_w=watts["ac"],
            ac_charge_w=watts["ac_charge"],
            charge_w=watts["charge"],
            discharge_w=watts["discharge"],
            import_w=watts["import"],
            export_w=watts["export"],
            load_w=watts["load"],
            soc=bms.soc,
            bms_soc=bms.own_soc,
            soh=97,
            # Rises a little with the charge.
            battery_v=self._battery_v * (0.95 + 0.1 * bms.true_soc),
            battery_c=bms.temperature_c,
            inverter_c=35.0,
            charge_limit_w=bms.charge_limit_kw * 1000,
            discharge_limit_w=bms.discharge_limit_kw * 1000,
            charge_forbidden=bms.charge_limit_kw == 0.0,
            discharge_forbidden=bms.discharge_limit_kw == 0.0,
            forced_charge=bms.forced_charge_kw > 0.0,
            cold=bms.cold,
            mode=mode if conditions.grid_present else "load_first",
            state=work_mode(watts["pv"], conditions),
            booting=booting,
            bms_lost=bms.lost,
            grid_v=230.0 if conditions.grid_present else 0.0,
            fault=NO_GRID if not conditions.grid_present else EXPORT_FAIL_SAFE if export_failed else 0,
            warning=self._warning(conditions),
            derating=1 if "50" in self._traps else 0,
            output_percent=round(output_share * 100),
            today_kwh={name: self._meter.today_kwh(name) for name in COUNTED},
            total_kwh={name: self._meter.total_kwh(name, local) for name in COUNTED},
        )

    def _watts(self, powers: Mapping[str, float]) -> dict[str, float]:
        watts = {name: powers[name] * 1000 for name in COUNTED}
        if "19" in self._traps:
            self._reads += 1
            by_w = self._parameters.dither_w * (-1) ** self._reads
            watts = {name: max(0.0, value + by_w) if value > 0 else value for name, value in watts.items()}
        if "38" in self._traps:
            watts["import"], watts["export"] = watts["export"], watts["import"]
        if "20" in self._traps:
            watts |= {name: watts[name] or NOISE_W for name in ("ac", "import", "export", "load")}
        if "37" in self._traps:
            watts |= dict.fromkeys(("import", "export", "load"), 0.0)
        return watts

    def _warning(self, conditions: Conditions) -> int:
        if "47" in self._traps:
            return BMS_ABNORMAL
        if "37" in self._traps:
            return METER_ABNORMAL
        return 0 if conditions.grid_present else WARNING_NO_GRID


def work_mode(pv_w: float, conditions: Conditions) -> int:
    """As in register 1000."""
    if not conditions.running:
        return WAITING
    if not conditions.grid_present:
        return OFF_GRID if pv_w > 0 else OFF_GRID_BATTERY
    return ON_GRID if pv_w > 0 else ON_GRID_BATTERY

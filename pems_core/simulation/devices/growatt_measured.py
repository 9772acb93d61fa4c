"""What the inverter measures and thinks, before it is put into registers."""

from collections.abc import Mapping
from dataclasses import dataclass

from .growatt_slots import Mode


@dataclass(frozen=True, slots=True)
class Measured:
    """Powers in W, never negative unless said so, as the inverter sees them with the traps that play."""

    pv_w: float
    """DC."""
    ac_w: float
    """What the inverter gives to the house; negative when it takes."""
    ac_charge_w: float
    charge_w: float
    discharge_w: float
    import_w: float
    """Below zero only by the noise of trap 20, as export and load."""
    export_w: float
    load_w: float
    soc: int
    """[%]"""
    bms_soc: int
    """[%]; differs with trap 44."""
    soh: int
    battery_v: float
    battery_c: float
    inverter_c: float
    charge_limit_w: float
    discharge_limit_w: float
    charge_forbidden: bool
    discharge_forbidden: bool
    forced_charge: bool
    cold: bool
    mode: Mode
    state: int
    """Work mode of registers 0, 1000, 3000: 0 waiting, 1 self-test, 3 fault, 5-8 at work."""
    booting: bool
    bms_lost: bool
    grid_v: float
    fault: int
    warning: int
    derating: int
    """0 none; otherwise by the table of the family."""
    output_percent: int
    today_kwh: Mapping[str, float]
    """By flow; see `COUNTED`."""
    total_kwh: Mapping[str, float]

    @property
    def battery_a(self) -> float:
        """Charging positive."""
        return (self.charge_w - self.discharge_w) / self.battery_v

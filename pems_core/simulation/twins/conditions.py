"""What an inverter works under besides what its controls say."""

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True, slots=True)
class Conditions:
    """Limits and mishaps of inverter, battery and grid; the defaults are a good day without any."""

    output_limit_kw: float = inf
    """AC power that the inverter may give."""
    export_limit_kw: float = inf
    """What the inverter lets pass to the grid; the grid's own limit holds besides."""
    charge_limit_kw: float = inf
    """What the battery takes now at its terminals; its own limits hold besides, as for `discharge_limit_kw`."""
    discharge_limit_kw: float = inf
    forced_charge_kw: float = 0.0
    """Above 0: the battery charges with this power from PV and grid, whatever the mode."""
    floor_soc: float = 0.0
    """The battery is not discharged below it in any mode."""
    pv_share: float = 1.0
    """What is left of the PV power."""
    battery_loss: float = 0.0
    """Share that is lost on the way into the cells, and again on the way out, beyond the battery's own losses."""
    standby_kw: float = 0.0
    """Drawn from the cells beyond the battery's own standby."""
    running: bool = True
    """False: the inverter does nothing; its PV is lost."""
    grid_present: bool = True
    """False: nothing is drawn or fed in, and the inverter is in `load_first` whatever it is told."""


GOOD_DAY = Conditions()

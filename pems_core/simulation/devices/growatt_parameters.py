"""How hard the traps of a simulated Growatt inverter bite; which of them play is said by `Traps`."""

from dataclasses import dataclass, field
from datetime import time
from typing import Literal


@dataclass
class GrowattParameters:
    """By the numbers of protocols E; times in seconds of the inverter's clock."""

    ignored_writes: set[int] = field(default_factory=set)
    """1: registers whose writes are acknowledged without effect, besides those of the family."""
    loose_words_revert_after_s: float | None = 6.0
    """2: a slot word written alone by function code 6, and slots of a TL-XH while 3049 is 0."""
    cloud_reverts_after_s: float | None = 45.0
    """2: everything else; None: the cloud stays away."""
    readable_after_s: float = 5.0
    """3"""
    effective_after_s: float = 60.0
    """3"""
    race_s: float = 2.0
    """4: the first read of a register within this time after its write still has the old value."""
    silent_from: time = time(22)
    """16: local time of the inverter."""
    silent_until: time = time(7)
    """16: sunrise, also that of trap 40."""
    counters_old_for_s: float = 1800.0
    """16: how long after sunrise the counters of the day are still yesterday's."""
    reboot_after_write_s: float = 60.0
    """17"""
    boot_s: float = 120.0
    """17: status waiting, 60-300 s."""
    dither_w: float = 5.0
    """19: by how much a power differs from one read to the next."""
    old_power_s: float = 60.0
    """23: one cycle."""
    short_timer_s: float = 120.0
    """24: up to this duration control ends late, by `timer_late_s`; longer ones never end."""
    timer_late_s: float = 8.0
    export_cleared_s: float = 10.0
    """28"""
    slope_per_s: float = 0.0027
    """29: share of the rated power."""
    hidden_stop_soc: int = 80
    """30: charging from the grid ends here at the latest [%]."""
    hidden_floor_soc: int = 16
    """30: discharging ends here at the latest [%]."""
    sibling_s: float = 2.0
    """34: a second write within this time brings the siblings back as they were before the first."""
    endurance_writes: int = 50
    """35"""
    cold_c: float = 1.0
    """41"""
    limited_share: float = 0.2
    """42"""
    taper: tuple[float, float] = (0.92, 0.99)
    """43: from full power to none, by state of charge."""
    stuck_soc: int = 92
    """44 [%]"""
    soc_lag_s: float = 300.0
    """45"""
    forced_below_soc: float = 0.12
    """46"""
    forced_charge_kw: float = 0.5
    """46"""
    lost_bms_soc: Literal["frozen", "zero"] = "zero"
    """47"""
    loss: float = 0.06
    """48: each way."""
    standby_kw: float = 0.06
    """48"""
    return_s: float = 60.0
    """49: how long the inverter waits after the grid has come back."""
    derated_pv_share: float = 0.6
    """50"""
    drift_s_per_h: float = 2.0
    """51"""
    late_after_set_s: float = 1.4
    """51"""
    put_back_s: float = 3600.0
    """52"""
    put_back_every_s: float = 1800.0
    """52"""

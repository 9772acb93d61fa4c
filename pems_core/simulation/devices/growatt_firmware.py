"""What the inverter makes of its settings, its battery and the grid, from moment to moment."""

from collections.abc import Mapping
from datetime import datetime, timedelta

from pems_core.domain import BatterySpec, Value
from pems_core.simulation.twins.conditions import GOOD_DAY, Conditions

from .growatt_bms import GrowattBms
from .growatt_limits import GrowattLimits
from .growatt_orders import Order, SlotBook, as_trapped, sph_order, tl_xh_order, with_load_first_floor
from .growatt_parameters import GrowattParameters
from .growatt_settings import Family
from .growatt_slots import Get
from .growatt_vpp import AUTHORITY, VppControl
from .traps import Traps

REMOTE_ON_OFF, VPP_ON_OFF, LOAD_FIRST_FLOOR = 0, 30101, 608
OFF, CONVERTER_OFF = 0, 2
SETTLING_S = 120.0
"""How long a TL-XH takes until it charges to a floor that was raised (#362)."""


class GrowattFirmware:
    """Decides on an order and on the conditions under which the house carries it out."""

    def __init__(
        self,
        families: tuple[Family, ...],
        get: Get,
        slots: SlotBook,
        vpp: VppControl,
        bms: GrowattBms,
        limits: GrowattLimits,
        traps: Traps,
        parameters: GrowattParameters,
        now: datetime,
        *,
        rated_kw: float,
        metering: int,
    ) -> None:
        """
        :param rated_kw: of the inverter's AC side.
        :param metering: what the plant measures the grid with; see `GrowattLimits.export_share`.
        """
        self.families, self._get, self._slots, self._vpp, self._bms = families, get, slots, vpp, bms
        self._limits, self._traps, self._parameters = limits, traps, parameters
        self._rated_kw, self._metering = rated_kw, metering
        self.order, self.conditions = Order(), GOOD_DAY
        self._booting_until = self._idle_until = self._unchanged_until = now
        self._below_floor_since: datetime | None = None
        self._off_grid = False

    def decide(self, now: datetime, local: datetime) -> None:
        """Bring `order` and `conditions` up to date."""
        self._notice_grid(now)
        if now >= self._unchanged_until:
            self.order = as_trapped(self._order(local), self._traps, self._parameters)
        self.conditions = self._conditions(now)

    def boot(self, now: datetime) -> None:
        """Begin anew: wait before doing anything."""
        self._booting_until = now + timedelta(seconds=self._parameters.boot_s)
        self._vpp.reset()

    def is_booting(self, now: datetime) -> bool:
        return now < self._booting_until

    def stay(self, now: datetime) -> None:
        """What is written now takes effect late (trap 3)."""
        self._unchanged_until = now + timedelta(seconds=self._parameters.effective_after_s)

    def controls(self, battery: BatterySpec) -> Mapping[str, Value]:
        """What the house is to be told, by control."""
        order = self.order
        found: dict[str, Value] = {
            "mode": order.mode,
            "battery_charge_grid": order.grid_charge,
            "grid_export": self.conditions.export_limit_kw > 0.0,
            "charge_power_kw": order.charge_rate * battery.charge_limit_kw,
            "discharge_power_kw": order.discharge_rate * battery.discharge_limit_kw,
        }
        stops = {"battery_first": order.charge_stop, "grid_first": order.discharge_stop}
        return {**found, "stop_soc": stops[order.mode] / 100} if order.mode in stops else found

    def _order(self, local: datetime) -> Order:
        if "vpp" in self.families and self._get(AUTHORITY):
            return self._vpp.order(local)
        if "tl_xh" in self.families:
            return tl_xh_order(self._get, self._slots, local)
        if "spa" in self.families or "sph" in self.families:
            order = sph_order(self._get, self._slots, local, load_slots="spa" in self.families)
            return with_load_first_floor(order, self._get(LOAD_FIRST_FLOOR))
        return Order()

    def _notice_grid(self, now: datetime) -> None:
        off_grid = "49" in self._traps
        if self._off_grid and not off_grid:
            self._idle_until = now + timedelta(seconds=self._parameters.return_s)
        self._off_grid = off_grid

    def _conditions(self, now: datetime) -> Conditions:
        traps, parameters = self._traps, self._parameters
        lossy, converter_off = "48" in traps, self._rtu(REMOTE_ON_OFF) == CONVERTER_OFF
        return Conditions(
            output_limit_kw=self._rated_kw * self._limits.output_share(now),
            export_limit_kw=self._rated_kw * self._limits.export_share(self._metering, now),
            charge_limit_kw=0.0 if converter_off else self._bms.charge_limit_kw,
            discharge_limit_kw=0.0 if converter_off else self._bms.discharge_limit_kw,
            forced_charge_kw=self._bms.forced_charge_kw or self._charge_to_floor_kw(now),
            floor_soc=self.order.floor / 100,
            pv_share=parameters.derated_pv_share if "50" in traps else 1.0,
            battery_loss=parameters.loss if lossy else 0.0,
            standby_kw=parameters.standby_kw if lossy else 0.0,
            running=self._is_on() and now >= max(self._booting_until, self._idle_until),
            grid_present=not self._off_grid,
        )

    def _rtu(self, address: int) -> int | None:
        """A register that a unit with nothing but VPP has not."""
        return None if self.families == ("vpp",) else self._get(address)

    def _is_on(self) -> bool:
        by_vpp = "vpp" in self.families and self._get(AUTHORITY)
        return self._rtu(REMOTE_ON_OFF) != OFF and not (by_vpp and self._get(VPP_ON_OFF) == OFF)

    def _charge_to_floor_kw(self, now: datetime) -> float:
        """A TL-XH charges up to a floor that lies above the present state of charge (#362)."""
        if not self.order.charge_to_floor or self._bms.soc >= self.order.floor:
            self._below_floor_since = None
            return 0.0
        self._below_floor_since = self._below_floor_since or now
        settled = (now - self._below_floor_since).total_seconds() >= SETTLING_S
        return self._bms.charge_limit_kw * self.order.charge_rate if settled else 0.0

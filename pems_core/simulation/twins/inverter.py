"""A hybrid inverter that follows its modes by itself, as docs/architecture.md tells them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pems_core.domain import HybridInverterSpec, Value
from pems_core.domain.equipment import clip

from .battery import BatteryTwin
from .conditions import GOOD_DAY, Conditions

MODES = ("load_first", "battery_first", "grid_first")


@dataclass(frozen=True, slots=True)
class InverterSettings:
    """What the inverter is told; the defaults are its local control."""

    mode: str = "load_first"
    battery_charge_grid: bool = False
    grid_export: bool = True
    charge_power_kw: float | None = None
    """None: the battery's limit."""
    discharge_power_kw: float | None = None
    stop_soc: float | None = None
    """None: charge to the ceiling, discharge to the floor."""

    @classmethod
    def of(cls, settings: Mapping[str, Value]) -> "InverterSettings":
        """From the commands that hold, by control."""

        def number(control: str) -> float | None:
            value = settings.get(control)
            return None if value is None else float(value)

        return cls(
            mode=str(settings.get("mode", "load_first")),
            battery_charge_grid=bool(settings.get("battery_charge_grid", False)),
            grid_export=bool(settings.get("grid_export", True)),
            charge_power_kw=number("charge_power_kw"),
            discharge_power_kw=number("discharge_power_kw"),
            stop_soc=number("stop_soc"),
        )


class InverterFlow(NamedTuple):
    """Powers of one minute [kW]."""

    to_house_kw: float
    from_house_kw: float
    pv_kw: float
    """Delivered, in AC equivalents: DC times inverting efficiency."""
    curtailed_kw: float
    charge_kw: float
    """At the battery's terminals, as is `discharge_kw`."""
    discharge_kw: float


class _Wish(NamedTuple):
    """What a mode wants on the DC bus [kW]."""

    pv_to_battery_kw: float
    from_house_kw: float
    discharge_kw: float


class InverterTwin:
    """PV, battery and inverter on one DC bus:

    pv + discharge + from_house * rectifying_efficiency == charge + to_house / inverting_efficiency
    """

    def __init__(self, spec: HybridInverterSpec, soc: float, outdoor_c: float) -> None:
        self._spec = spec
        self.battery = BatteryTwin(spec.battery, soc, outdoor_c) if spec.battery else None
        self.settings = InverterSettings()
        self._ordered = self.settings
        self.conditions: Conditions = GOOD_DAY

    def command(self, settings: InverterSettings) -> None:
        """What it is told; it takes effect with the next minute."""
        self._ordered = settings

    def dispatch(
        self, net_load_kw: float, pv_kw: float, export_limit_kw: float, grid_charge_room_kw: float
    ) -> InverterFlow:
        """What it does in this minute; nothing changes yet.

        :param net_load_kw: what the rest of the house draws; negative if it feeds in.
        :param pv_kw: what its arrays could deliver, in AC equivalents.
        :param grid_charge_room_kw: what may be taken from the house without passing the import limit.
        """
        spec, conditions = self._spec, self.conditions
        if not conditions.running:
            return InverterFlow(0.0, 0.0, 0.0, pv_kw, 0.0, 0.0)
        ac_limit_kw = min(spec.ac_limit_kw, conditions.output_limit_kw)
        allowed_export_kw = min(export_limit_kw, conditions.export_limit_kw) if self.settings.grid_export else 0.0
        output_kw = clip(net_load_kw + allowed_export_kw, 0.0, ac_limit_kw) / spec.inverting_efficiency
        load_kw = clip(net_load_kw, 0.0, ac_limit_kw) / spec.inverting_efficiency
        pv_dc_kw = pv_kw * conditions.pv_share / spec.inverting_efficiency
        wish = self._wish(pv_dc_kw, load_kw, output_kw, grid_charge_room_kw)
        # What the output cannot take of PV is curtailed.
        pv_to_house_kw = max(0.0, min(pv_dc_kw - wish.pv_to_battery_kw, output_kw - wish.discharge_kw))
        used_kw = (wish.pv_to_battery_kw + pv_to_house_kw) * spec.inverting_efficiency
        return InverterFlow(
            to_house_kw=(pv_to_house_kw + wish.discharge_kw) * spec.inverting_efficiency,
            from_house_kw=wish.from_house_kw,
            pv_kw=used_kw,
            curtailed_kw=max(0.0, pv_kw - used_kw),
            charge_kw=wish.pv_to_battery_kw + wish.from_house_kw * spec.rectifying_efficiency,
            discharge_kw=wish.discharge_kw,
        )

    def minute(self, flow: InverterFlow, outdoor_c: float) -> None:
        """Let the minute pass with this flow."""
        if self.battery is not None:
            loss, standby_kw = self.conditions.battery_loss, self.conditions.standby_kw
            self.battery.minute(flow.charge_kw, flow.discharge_kw, outdoor_c, loss=loss, standby_kw=standby_kw)
        self.settings = self._ordered

    def _wish(self, pv_kw: float, load_kw: float, output_kw: float, grid_charge_room_kw: float) -> _Wish:
        """All powers on the DC side, but for `grid_charge_room_kw`."""
        if self.battery is None:
            return _Wish(0.0, 0.0, 0.0)
        if self.conditions.forced_charge_kw > 0.0:
            charge_kw = min(self._can_charge_kw(self.battery), self.conditions.forced_charge_kw)
            return self._charge(charge_kw, pv_kw, grid_charge_room_kw)
        if self.settings.mode == "battery_first" and self.conditions.grid_present:
            return self._battery_first(self.battery, pv_kw, grid_charge_room_kw)
        if self.settings.mode == "grid_first" and self.conditions.grid_present:
            return self._grid_first(self.battery, output_kw - pv_kw)
        if pv_kw >= load_kw:
            return _Wish(min(pv_kw - load_kw, self._can_charge_kw(self.battery)), 0.0, 0.0)
        return _Wish(0.0, 0.0, min(load_kw - pv_kw, self._can_discharge_kw(self.battery)))

    def _battery_first(self, battery: BatteryTwin, pv_kw: float, grid_charge_room_kw: float) -> _Wish:
        settings = self.settings
        can_kw = self._can_charge_kw(battery, 1.0 if settings.stop_soc is None else settings.stop_soc)
        charge_kw = min(can_kw, self._rate_kw(settings.charge_power_kw, battery_charges=True))
        return self._charge(charge_kw, pv_kw, grid_charge_room_kw if settings.battery_charge_grid else 0.0)

    def _charge(self, charge_kw: float, pv_kw: float, grid_charge_room_kw: float) -> _Wish:
        """Charge from PV, and from the grid what PV leaves open."""
        spec, from_pv_kw = self._spec, min(pv_kw, charge_kw)
        wanted_kw = (charge_kw - from_pv_kw) / spec.rectifying_efficiency
        return _Wish(from_pv_kw, min(wanted_kw, spec.grid_charge_limit_kw, spec.ac_limit_kw, grid_charge_room_kw), 0.0)

    def _grid_first(self, battery: BatteryTwin, left_by_pv_kw: float) -> _Wish:
        # PV comes first at the output's limit: what it could not feed in would be lost, battery energy is not.
        can_kw = self._can_discharge_kw(battery, self.settings.stop_soc or 0.0)
        rate_kw = self._rate_kw(self.settings.discharge_power_kw, battery_charges=False)
        return _Wish(0.0, 0.0, min(can_kw, rate_kw, max(0.0, left_by_pv_kw)))

    def _can_charge_kw(self, battery: BatteryTwin, stop_soc: float = 1.0) -> float:
        return min(battery.can_charge_kw(stop_soc), self.conditions.charge_limit_kw)

    def _can_discharge_kw(self, battery: BatteryTwin, stop_soc: float = 0.0) -> float:
        can_kw = battery.can_discharge_kw(max(stop_soc, self.conditions.floor_soc))
        return min(can_kw, self.conditions.discharge_limit_kw)

    def _rate_kw(self, power_kw: float | None, *, battery_charges: bool) -> float:
        """A commanded power in the steps that the inverter knows."""
        assert self._spec.battery is not None
        limit_kw = self._spec.battery.charge_limit_kw if battery_charges else self._spec.battery.discharge_limit_kw
        if power_kw is None:
            return limit_kw
        step_kw = self._spec.power_rate_step * limit_kw
        rounded_kw = round(power_kw / step_kw) * step_kw if step_kw > 0 else power_kw
        return clip(rounded_kw, 0.0, limit_kw)

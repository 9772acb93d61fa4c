"""What a battery's moves in a plan cost and yield, and what could stand in for them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from pems_core.domain import BatterySpec, Forecasts, HybridInverterSpec, Plan
from pems_core.planning.parts.hybrid_inverter import standby_leak_per_h
from pems_core.planning.parts.terminal import stored_kwh_value

from .prices import FLOWING_KW, Prices
from .store import MadeUp, Option, make_up

BUY, SELL, KEEP, GRID, SUN = "buy", "sell", "keep", "grid", "sun"
"""Kinds of options: buying for the house, feeding in, keeping to the end, charging from the grid, or from PV."""


@dataclass(frozen=True)
class Use:
    """Energy that leaves or enters the cells in one step, for one purpose."""

    kwh: float
    """In the cells."""
    value: float
    """What it earns or avoids when it leaves, or costs when it enters [currency]."""
    price_per_kwh: float
    """The price on the AC side that it is about [currency/kWh]."""
    kind: str

    @property
    def value_per_kwh(self) -> float:
        return self.value / self.kwh


@dataclass(frozen=True)
class BatteryBook:
    """The energy of one battery in a plan, step by step. All energies are in the cells."""

    plan: Plan
    forecasts: Forecasts
    device: str
    inverter: HybridInverterSpec
    battery: BatterySpec

    @cached_property
    def prices(self) -> Prices:
        return Prices(self.plan, self.forecasts)

    def kw(self, flow: str, t: int) -> float:
        return self.plan.dispatch[flow if "." in flow else f"{self.device}.{flow}"][t]

    def leaving(self, t: int) -> Iterator[Use]:
        """Discharge: what is fed in first, then what the house would have to buy instead."""
        h, ac_kw = self.plan.horizon.step_h[t], self.inverter.inverting_efficiency * self.kw("discharge_kw", t)
        sold_kw = min(ac_kw, self.kw("grid.export_kw", t))
        yield from self._out(t, sold_kw * h, self.prices.sold_at[t], SELL)
        yield from self._out(t, (ac_kw - sold_kw) * h, self.prices.of_more_import[t], BUY)

    def _out(self, t: int, ac_kwh: float, price: float, kind: str) -> Iterator[Use]:
        if ac_kwh <= FLOWING_KW * self.plan.horizon.step_h[t]:
            return
        terminal_kwh = ac_kwh / self.inverter.inverting_efficiency
        value = price * ac_kwh - self.battery.wear_cost_per_kwh * terminal_kwh
        yield Use(terminal_kwh / self.battery.discharge_efficiency, value, price, kind)

    def entering(self, t: int) -> Iterator[Use]:
        """Charge: what is bought for it, then PV at what it would have saved or earned."""
        h, charge_kw = self.plan.horizon.step_h[t], self.kw("charge_kw", t)
        rectified_kw = min(charge_kw, self.kw("from_house_kw", t) * self.inverter.rectifying_efficiency)
        yield from self._in(
            t, rectified_kw * h, self.inverter.rectifying_efficiency, self.prices.of_more_import[t], GRID
        )
        # PV that is stored while the house buys is as good as bought; else it could have been fed in.
        ac_kw = (charge_kw - rectified_kw) * self.inverter.inverting_efficiency
        bought_kw = min(ac_kw, max(0.0, self.kw("grid.import_kw", t) - self.kw("from_house_kw", t)))
        eta = 1 / self.inverter.inverting_efficiency
        yield from self._in(t, bought_kw * eta * h, eta, self.prices.of_more_import[t], GRID)
        yield from self._in(t, (ac_kw - bought_kw) * eta * h, eta, max(0.0, self.prices.sold_at[t]), SUN)

    def _in(self, t: int, terminal_kwh: float, per_ac_kwh: float, price: float, kind: str) -> Iterator[Use]:
        """`per_ac_kwh` is what reaches the terminals of one kWh on the AC side."""
        if terminal_kwh > FLOWING_KW * self.plan.horizon.step_h[t]:
            yield Use(terminal_kwh * self.battery.charge_efficiency, price * terminal_kwh / per_ac_kwh, price, kind)

    @cached_property
    def keeps(self) -> tuple[float, ...]:
        leak_per_h = standby_leak_per_h(self.battery)
        return tuple(1.0 - leak_per_h * h for h in self.plan.horizon.step_h)

    @cached_property
    def stored_kwh(self) -> tuple[float, ...]:
        return tuple(soc * self.battery.capacity_kwh for soc in self.plan.levels[f"{self.device}.soc"])

    @cached_property
    def above_floor_kwh(self) -> tuple[float, ...]:
        floor_kwh = self.battery.soc_min * self.battery.capacity_kwh
        return tuple(max(0.0, kwh - floor_kwh) for kwh in self.stored_kwh)

    @cached_property
    def below_ceiling_kwh(self) -> tuple[float, ...]:
        ceiling_kwh = self.battery.soc_max * self.battery.capacity_kwh
        return tuple(max(0.0, ceiling_kwh - kwh) for kwh in self.stored_kwh)

    @cached_property
    def end_value_per_kwh(self) -> float:
        return stored_kwh_value(self.forecasts, self.inverter, self.battery)

    def with_less(self, missing_kwh: dict[int, float], charge_from_grid: bool) -> MadeUp:
        """The cheapest way to live with energy that never comes in, or leaves too early."""
        options = [Option(self._last, self.above_floor_kwh[-1], self.end_value_per_kwh, KEEP, self.end_value_per_kwh)]
        for t in range(min(missing_kwh), self._last + 1):
            if t in missing_kwh:
                continue
            options += [Option(t, u.kwh, u.value_per_kwh, u.kind, u.price_per_kwh) for u in self.leaving(t)]
            options += self._more_charge(t, charge_from_grid)
        return make_up(missing_kwh, self.above_floor_kwh, options, self.keeps)

    def with_more(self, spare_kwh: dict[int, float]) -> MadeUp:
        """The best use of energy that stays in; what it earns is a negative cost."""
        end_value = self.end_value_per_kwh
        options = [Option(self._last, self.below_ceiling_kwh[-1], -end_value, KEEP, end_value)]
        for t in range(min(spare_kwh), self._last + 1):
            if t in spare_kwh:
                continue
            options += [Option(t, u.kwh, -u.value_per_kwh, u.kind, u.price_per_kwh) for u in self.entering(t)]
            options += self._more_discharge(t)
        return make_up(spare_kwh, self.below_ceiling_kwh, options, self.keeps)

    @property
    def _last(self) -> int:
        return self.plan.horizon.steps - 1

    def _more_charge(self, t: int, from_grid: bool) -> Iterator[Option]:
        """PV that is fed in or curtailed could be stored; where it is allowed, so could what is bought."""
        if self.kw("discharge_kw", t) > FLOWING_KW:
            return
        free_kw = self.battery.charge_limit_kw - self.kw("charge_kw", t)
        eta = 1 / self.inverter.inverting_efficiency
        for flow, price in (("curtailed_kw", 0.0), ("grid.export_kw", self.prices.sold_at[t])):
            stored_kw = min(free_kw, self.kw(flow, t) * eta)
            free_kw -= stored_kw
            yield from self._as_options(t, self._in(t, stored_kw * self._h(t), eta, max(0.0, price), SUN))
        if from_grid:
            most_kw = min(self.inverter.grid_charge_limit_kw, self.inverter.ac_limit_kw) - self.kw("from_house_kw", t)
            eta = self.inverter.rectifying_efficiency
            bought_kw = min(free_kw, most_kw * eta)
            price = self.prices.of_more_import[t]
            yield from self._as_options(t, self._in(t, bought_kw * self._h(t), eta, price, GRID))

    def _more_discharge(self, t: int) -> Iterator[Option]:
        """What is bought for the house could be covered, or more be fed in."""
        if self.kw("charge_kw", t) > FLOWING_KW:
            return
        eta, h = self.inverter.inverting_efficiency, self._h(t)
        on_ac_kw = self.inverter.ac_limit_kw - self.kw("to_house_kw", t)
        free_kw = min(on_ac_kw, (self.battery.discharge_limit_kw - self.kw("discharge_kw", t)) * eta)
        covered_kw = min(free_kw, self.kw("grid.import_kw", t))
        uses = [*self._out(t, covered_kw * h, self.prices.bought_at[t], BUY)]
        if self.prices.sold_at[t] > 0:
            uses += self._out(t, (free_kw - covered_kw) * h, self.prices.sold_at[t], SELL)
        yield from (Option(t, u.kwh, -u.value_per_kwh, u.kind, u.price_per_kwh) for u in uses)

    def _as_options(self, t: int, uses: Iterator[Use]) -> Iterator[Option]:
        return (Option(t, use.kwh, use.value_per_kwh, use.kind, use.price_per_kwh) for use in uses)

    def _h(self, t: int) -> float:
        return self.plan.horizon.step_h[t]

    def would_cover(self, steps: Sequence[int]) -> dict[int, Use]:
        """What self use would take from the battery in steps in which it rests, as far as it has energy."""
        left_kwh = min(self.above_floor_kwh[t] for t in steps)
        found = {}
        for t in steps:
            eta = self.inverter.inverting_efficiency
            ac_kw = min(self.kw("grid.import_kw", t), self.battery.discharge_limit_kw * eta)
            for use in self._out(t, ac_kw * self._h(t), self.prices.bought_at[t], BUY):
                share = min(1.0, left_kwh / use.kwh)
                left_kwh -= share * use.kwh
                if share > 0:
                    found[t] = Use(share * use.kwh, share * use.value, use.price_per_kwh, BUY)
        return found

    def would_store(self, steps: Sequence[int], flow: str = "grid.export_kw") -> dict[int, Use]:
        """What self use would store of the PV that is fed in, or curtailed, as far as there is room."""
        sold_at = self.prices.sold_at if flow == "grid.export_kw" else (0.0,) * self.plan.horizon.steps
        left_kwh = min(self.below_ceiling_kwh[t] for t in steps)
        found = {}
        for t in steps:
            eta = 1 / self.inverter.inverting_efficiency
            stored_kw = min(self.battery.charge_limit_kw, self.kw(flow, t) * eta)
            for use in self._in(t, stored_kw * self._h(t), eta, max(0.0, sold_at[t]), SUN):
                share = min(1.0, left_kwh / use.kwh)
                left_kwh -= share * use.kwh
                if share > 0:
                    found[t] = Use(share * use.kwh, share * use.value, use.price_per_kwh, SUN)
        return found

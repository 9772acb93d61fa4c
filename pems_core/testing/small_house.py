"""The smallest house that a device can be planned in: a grid connection, a base load, and nothing else."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pems_core.domain import Decision, Forecast, Forecasts, GridSpec, Horizon, Plan, SiteState, Step
from pems_core.planning.model import DispatchModel
from pems_core.planning.planner import PlanOptions, solve_house
from pems_core.planning.site import PlannedHouse
from pems_core.planning.solvers import Highs
from pems_core.protocols import Device

NOW = datetime(2025, 1, 15, 10, 0, tzinfo=UTC)
STEPS = 8
STEP = timedelta(minutes=15)
GRID = GridSpec(import_limit_kw=17.0, export_limit_kw=10.0)


@dataclass(frozen=True, slots=True)
class Prices:
    """A course of prices over `STEPS` steps [currency/kWh]."""

    buy: tuple[float, ...]
    feed_in: tuple[float, ...]


EXTREME_PRICES = (
    Prices(buy=(0.01,) * 4 + (5.0,) * 4, feed_in=(0.0,) * 4 + (4.0,) * 4),
    Prices(buy=(5.0,) * 4 + (0.01,) * 4, feed_in=(4.0,) * 4 + (0.0,) * 4),
    Prices(buy=(-1.0,) * STEPS, feed_in=(-1.5,) * STEPS),
    Prices(buy=(0.2,) * STEPS, feed_in=(0.1,) * STEPS),
)


@dataclass(frozen=True, slots=True)
class PayTheBill:
    """The plainest aim: what is bought less what is sold. As rules it tells no device anything."""

    name: str = "pay_the_bill"

    def add_to_model(self, model: DispatchModel, state: SiteState, forecasts: Forecasts) -> None:
        buy, feed_in = forecasts["import_price_per_kwh"], forecasts["feed_in_price_per_kwh"]
        step_h = model.horizon.step_h
        paid = sum(
            step_h[t] * (buy[t] * model.import_kw(t) - feed_in[t] * model.export_kw(t)) for t in model.pyomo.steps
        )
        model.add_cost("bill", paid, kind="bill")

    def decide(self, devices: Sequence[Device], state: SiteState, forecasts: Forecasts, t: int) -> Sequence[Decision]:
        return []


def plan_alone(device: Device, state: SiteState, prices: Prices) -> Plan:
    """A plan of one device with these prices, every switch whole.

    :raises NoPlan: if its part of the model is infeasible.
    """
    aim = PayTheBill()
    house = PlannedHouse(GRID, (device,), aim, aim)
    options = PlanOptions(length=STEPS * STEP, near=STEPS * STEP, binary=STEPS * STEP)
    return solve_house(house, state, forecasts_of(state.now, prices), Highs(), options)


def forecasts_of(start: datetime, prices: Prices) -> Forecasts:
    """Two winter hours with some sun."""
    series = {
        "import_price_per_kwh": prices.buy,
        "feed_in_price_per_kwh": prices.feed_in,
        "pv_kw": (0.0, 0.5, 2.0, 6.0, 6.0, 2.0, 0.5, 0.0),
        "base_load_kw": (0.6,) * STEPS,
        "outdoor_temperature_c": (-2.0,) * STEPS,
        "ghi_w_m2": (0.0, 50.0, 150.0, 300.0, 300.0, 150.0, 50.0, 0.0),
    }
    horizon = Horizon.uniform(start, STEP, STEPS)
    return Forecasts(horizon, {name: Forecast(values, "small house", start) for name, values in series.items()})


def extreme_steps(start: datetime) -> Iterator[Step]:
    """Steps with little or much sun, load, cold and room for feed-in."""
    for pv_kw in (0.0, 30.0):
        for load_kw in (-10.0, 0.0, 40.0):
            for export_limit_kw in (0.0, 10.0):
                inputs = {
                    "pv_kw": pv_kw,
                    "base_load_kw": max(0.0, load_kw),
                    "outdoor_temperature_c": -25.0,
                    "ghi_w_m2": 40 * pv_kw,
                    "import_price_per_kwh": 0.3,
                    "feed_in_price_per_kwh": 0.1,
                }
                yield Step(start, 0.25, inputs, load_kw, export_limit_kw)

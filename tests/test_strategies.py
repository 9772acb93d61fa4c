"""Aims for the solver: what each adds to the objective, and what a plan does for it."""

import io
import re
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from pems_strategies import (
    Combined,
    ComfortFirst,
    LowCarbon,
    LowestBill,
    PeakShaving,
    SelfConsumption,
    create_strategies,
    rules,
)
from pems_strategies.objective import Objective
from pyomo.repn.plugins.lp_writer import LPWriter

from pems_core.config import Config, ConfigError, SiteSection, StrategySection, TariffSection
from pems_core.domain import (
    NO_PEAK,
    FlexibleLoadSpec,
    FlexibleLoadState,
    Forecasts,
    GridSpec,
    Horizon,
    ImportPeak,
    MissingForecast,
    SiteState,
)
from pems_core.planning.compile import compile_model
from pems_core.planning.model import DispatchModel
from pems_core.planning.parts.grid import GridConnection
from pems_core.planning.planner import build_model
from pems_core.planning.site import PlannedHouse
from pems_core.planning.solve import SolveLimits, solve
from pems_core.planning.solvers import Highs
from pems_core.protocols import Device, RuleBased, Strategy
from pems_core.site import WeightedStrategies

from .test_rules import MIDNIGHT, SPEC, Car, Inverter, house, inverter_state, known

GRID = GridSpec(import_limit_kw=20.0, export_limit_kw=10.0)
CAR = FlexibleLoadSpec(power_min_kw=0.0, power_max_kw=11.0, unserved_price_per_kwh=500.0)
EVERY_AIM = (LowestBill(), SelfConsumption(), PeakShaving(), ComfortFirst(), LowCarbon())


@dataclass(frozen=True)
class Planned:
    """What a plan does, by step of one hour."""

    import_kw: tuple[float, ...]
    export_kw: tuple[float, ...]
    car_kw: tuple[float, ...]


def planned(aim: Strategy, devices: list[Device], state: SiteState, forecasts: Forecasts) -> Planned:
    model = build_model(PlannedHouse(GRID, devices, aim, rules()), state, forecasts, forecasts.horizon.steps)
    compiled = compile_model(model)
    solved = solve(compiled, Highs(), SolveLimits())
    compiled.load(solved.x)
    value = compiled.values(solved.x)
    steps = range(forecasts.horizon.steps)
    car = model.sinks.get("car.power_kw")
    return Planned(
        tuple(value(model.import_kw(t)) for t in steps),
        tuple(value(model.export_kw(t)) for t in steps),
        tuple(value(car(t)) for t in steps) if car else (),
    )


def car_planned(aim: Strategy, forecasts: Forecasts, needed_kwh: float, peak: ImportPeak = NO_PEAK) -> Planned:
    ready_by = forecasts.horizon.end
    state = house(car=FlexibleLoadState(needed_kwh, ready_by=ready_by))
    return planned(aim, [Car("car", CAR)], replace(state, peak=peak), forecasts)


def grid_model(aim: Strategy, forecasts: Forecasts, peak: ImportPeak = NO_PEAK) -> DispatchModel:
    """A house that is nothing but a grid connection, with the aim added and not yet closed."""
    model = DispatchModel(forecasts.horizon)
    state = replace(house(), peak=peak)
    GridConnection(GRID).add_to_model(model, state, forecasts)
    aim.add_to_model(model, state, forecasts)
    return model


def objective_text(aim: Strategy, forecasts: Forecasts, peak: ImportPeak = NO_PEAK) -> str:
    """The LP text of the costs and of the peak, without the grid connection's own rows."""
    model = grid_model(aim, forecasts, peak)
    overload = [name for name in model.costs if name.startswith("grid.")]
    for name in overload:
        del model.costs[name]
    model.close()
    text = io.StringIO()
    LPWriter().write(model.pyomo, text, symbolic_solver_labels=True)
    lines = [line.strip() for line in text.getvalue().splitlines()]
    rows = [lines[lines.index("min") : lines.index("s.t.")]]
    starts = [i for i, line in enumerate(lines) if line.startswith("c_u_peak")]
    rows += [lines[i : lines.index("", i)] for i in starts]
    return "\n".join(" ".join(row) for row in rows).strip()


# --- the equations, on two steps ------------------------------------------------------------------------

TWO_STEPS = known(2, import_price_per_kwh=[4.0, 2.0], feed_in_price_per_kwh=[1.0, -0.5], carbon_g_per_kwh=[200, 800])


def coefficients(text: str) -> dict[str, float]:
    """Of the first row of an LP text, by variable."""
    found = re.findall(r"([+-][\d.e+-]+) (\w+\([^)]*\)|\w+)", text.splitlines()[0])
    return {name: float(number) for number, name in found if float(number)}


def test_the_bill_is_import_less_feed_in_at_their_prices() -> None:
    assert coefficients(objective_text(LowestBill(), TWO_STEPS)) == {
        "grid_import_kw(0)": 4.0,
        "grid_import_kw(1)": 2.0,
        "grid_export_kw(0)": -1.0,
        "grid_export_kw(1)": 0.5,
    }


def test_the_bill_weighs_prices_by_the_length_of_the_step() -> None:
    quarters = Forecasts(Horizon.uniform(MIDNIGHT, timedelta(minutes=15), 2), TWO_STEPS.series)
    assert coefficients(objective_text(LowestBill(), quarters))["grid_import_kw(0)"] == 1.0


def test_self_consumption_charges_both_directions_of_the_meter() -> None:
    assert coefficients(objective_text(SelfConsumption(premium_per_kwh=0.5), TWO_STEPS)) == {
        "grid_import_kw(0)": 4.5,
        "grid_import_kw(1)": 2.5,
        "grid_export_kw(0)": -0.5,
        "grid_export_kw(1)": 1.0,
    }


def test_low_carbon_charges_imported_carbon() -> None:
    row = coefficients(objective_text(LowCarbon(carbon_price_per_kg=10.0), TWO_STEPS))
    assert (row["grid_import_kw(0)"], row["grid_import_kw(1)"]) == (6.0, 10.0)


def test_peak_shaving_prices_the_rise_above_the_peak_so_far() -> None:
    text = objective_text(PeakShaving(peak_price_per_kw=100.0), TWO_STEPS, ImportPeak(4.0))
    assert coefficients(text)["peak_rise_kw(0)"] == 100.0
    rows = [" ".join(line.split()) for line in text.splitlines()[1:]]
    assert rows == [
        "c_u_peak_highest_import(0)_: +1 grid_import_kw(0) -1 peak_rise_kw(0) <= 1.0",
        "c_u_peak_highest_import(1)_: +1 grid_import_kw(1) -1 peak_rise_kw(0) <= 1.0",
    ]


def test_the_next_billing_period_begins_without_a_peak() -> None:
    within = ImportPeak(4.0, until=MIDNIGHT + timedelta(hours=1))
    text = objective_text(PeakShaving(peak_price_per_kw=100.0), TWO_STEPS, within)
    assert (coefficients(text)["peak_rise_kw(0)"], coefficients(text)["peak_rise_kw(1)"]) == (100.0, 100.0)
    rows = [" ".join(line.split()) for line in text.splitlines()[1:]]
    assert rows == [
        "c_u_peak_highest_import(0)_: +1 grid_import_kw(0) -1 peak_rise_kw(0) <= 1.0",
        "c_u_peak_highest_import(1)_: +1 grid_import_kw(1) -1 peak_rise_kw(1) <= 0.0",
    ]


def test_a_high_peak_of_this_month_is_no_reason_for_a_high_one_of_the_next() -> None:
    """A car charges at the cheapest hour within the old peak; where that has ended by then, it charges before."""
    forecasts = known(4, import_price_per_kwh=[1.2, 1.0, 1.0, 1.0], feed_in_price_per_kwh=[0.0] * 4)
    ends = forecasts.horizon.starts[1]
    old = car_planned(PeakShaving(peak_price_per_kw=3.0), forecasts, 10.0, ImportPeak(12.0))
    new = car_planned(PeakShaving(peak_price_per_kw=3.0), forecasts, 10.0, ImportPeak(12.0, until=ends))
    assert max(old.import_kw[1:]) > 1.5 * max(new.import_kw[1:])
    assert new.import_kw[0] > old.import_kw[0]


def test_a_capacity_charge_belongs_to_the_bill_of_every_aim() -> None:
    for aim in EVERY_AIM:
        charged = replace(aim, capacity_charge_per_kw=7.0)
        model = grid_model(charged, TWO_STEPS)
        assert model.costs[f"{aim.name}.capacity"].kind == "bill"
        assert coefficients(objective_text(charged, TWO_STEPS))["peak_rise_kw(0)"] >= 7.0


def test_comfort_first_weighs_discomfort_and_nothing_else() -> None:
    model = grid_model(ComfortFirst(comfort_factor=4.0), TWO_STEPS)
    assert [model.weight(kind) for kind in ("comfort", "bill", "wear", "terminal")] == [4.0, 1.0, 1.0, 1.0]


def test_stored_energy_is_worth_the_premium_that_it_saves() -> None:
    """A premium of 1.5 on a mean price of 3 makes energy in store worth half as much again."""
    assert grid_model(SelfConsumption(premium_per_kwh=1.5), TWO_STEPS).weight("terminal") == pytest.approx(1.5)


# --- combinations ---------------------------------------------------------------------------------------


def test_combined_aims_are_the_weighted_mean_of_their_prices() -> None:
    parts = ((LowestBill(), 3.0), (SelfConsumption(premium_per_kwh=2.0), 1.0))
    assert coefficients(objective_text(Combined("mixed", 0.0, parts), TWO_STEPS)) == {
        "grid_import_kw(0)": 4.5,
        "grid_import_kw(1)": 2.5,
        "grid_export_kw(0)": -0.5,
        "grid_export_kw(1)": 1.0,
    }


def test_a_combination_of_one_aim_is_that_aim() -> None:
    for aim in EVERY_AIM:
        alone = coefficients(objective_text(aim, TWO_STEPS))
        assert coefficients(objective_text(Combined("one", 0.0, ((aim, 2.0),)), TWO_STEPS)) == alone


@pytest.mark.parametrize("weights", [(), (0.0,), (1.0, -0.5)])
def test_weights_that_mean_nothing_are_refused(weights: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="at least one above 0 and none below"):
        Combined("odd", 0.0, tuple((LowestBill(), weight) for weight in weights))


def test_a_house_file_may_weigh_any_aims_alike() -> None:
    mixed = WeightedStrategies("all", [(aim, 0.2) for aim in EVERY_AIM])
    row = coefficients(objective_text(mixed, TWO_STEPS))
    carbon = 0.2 * LowCarbon().carbon_price_per_kg * 0.2
    assert row["grid_import_kw(0)"] == pytest.approx(4.0 + 0.2 * SelfConsumption().premium_per_kwh + carbon)


# --- what plans do --------------------------------------------------------------------------------------


def test_lowest_bill_charges_the_car_when_energy_is_cheapest() -> None:
    forecasts = known(4, import_price_per_kwh=[4.0, 1.0, 3.0, 5.0])
    assert car_planned(LowestBill(), forecasts, 10.0).car_kw == pytest.approx((0.0, 10.0, 0.0, 0.0))


def test_peak_shaving_spreads_the_car_over_the_night() -> None:
    forecasts = known(4, import_price_per_kwh=[4.0, 1.0, 3.0, 5.0])
    spread = car_planned(PeakShaving(peak_price_per_kw=100.0), forecasts, 10.0)
    assert spread.import_kw == pytest.approx((3.5, 3.5, 3.5, 3.5))


def test_a_peak_that_was_reached_before_costs_nothing_again_but_room_is_left_for_what_nobody_foresees() -> None:
    forecasts = known(4, import_price_per_kwh=[4.0, 1.0, 3.0, 5.0])
    shaved = car_planned(PeakShaving(peak_price_per_kw=100.0), forecasts, 10.0, ImportPeak(9.0))
    assert shaved.import_kw == pytest.approx((1.0, 6.0, 6.0, 1.0))


def test_low_carbon_prefers_the_clean_hour_to_the_cheap_one() -> None:
    forecasts = known(2, import_price_per_kwh=[2.0, 3.0], carbon_g_per_kwh=[700.0, 100.0])
    assert car_planned(LowestBill(), forecasts, 5.0).car_kw == pytest.approx((5.0, 0.0))
    assert car_planned(LowCarbon(carbon_price_per_kg=5.0), forecasts, 5.0).car_kw == pytest.approx((0.0, 5.0))


def test_the_bill_still_counts_between_hours_that_are_equally_clean() -> None:
    forecasts = known(2, import_price_per_kwh=[3.0, 2.0], carbon_g_per_kwh=[400.0])
    assert car_planned(LowCarbon(), forecasts, 5.0).car_kw == pytest.approx((0.0, 5.0))


def test_low_carbon_says_what_it_misses() -> None:
    with pytest.raises(MissingForecast, match="carbon_g_per_kwh"):
        grid_model(LowCarbon(), known(2))


def test_self_consumption_stores_pv_that_the_bill_would_sell() -> None:
    """Selling at 2.9 beats storing for 3.5 after losses and wear, unless the meter itself has a price."""
    forecasts = known(
        8,
        import_price_per_kwh=[3.5],
        feed_in_price_per_kwh=[2.9],
        pv_kw=[4.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        base_load_kw=[1.0],
    )
    state = house(inverter=inverter_state(0.2))
    by_bill = planned(LowestBill(), [Inverter("inverter", SPEC)], state, forecasts)
    by_meter = planned(SelfConsumption(premium_per_kwh=2.0), [Inverter("inverter", SPEC)], state, forecasts)
    assert sum(by_meter.export_kw) < sum(by_bill.export_kw) - 1.0
    assert sum(by_meter.import_kw) < sum(by_bill.import_kw) - 1.0


# --- the house file -------------------------------------------------------------------------------------


def site(currency: str) -> SiteSection:
    return SiteSection(latitude=49.2, longitude=16.6, timezone="Europe/Prague", currency=currency)


def given(*sections: SiteSection | StrategySection | TariffSection) -> dict[str, Strategy | RuleBased]:
    return {strategy.name: strategy for strategy in create_strategies(Config.of(*sections))}


def test_the_plugin_offers_every_aim_and_every_baseline() -> None:
    offered = given(site("EUR"))
    aims = {name for name, strategy in offered.items() if isinstance(strategy, Strategy)}
    without_solver = {name for name, strategy in offered.items() if isinstance(strategy, RuleBased)}
    assert aims == {"lowest_bill", "self_consumption", "peak_shaving", "comfort_first", "low_carbon", "balanced"}
    assert without_solver == {"thermostat_only", "self_use", "rules"}


def test_defaults_are_of_the_size_of_the_houses_currency() -> None:
    in_euro, in_koruna = given(site("EUR"))["peak_shaving"], given(site("CZK"))["peak_shaving"]
    assert isinstance(in_euro, PeakShaving)
    assert isinstance(in_koruna, PeakShaving)
    assert in_koruna.peak_price_per_kw == 25 * in_euro.peak_price_per_kw


def test_parameters_are_taken_as_they_stand() -> None:
    aim = given(site("CZK"), StrategySection(parameters={"peak_price_per_kw": 42.0}))["peak_shaving"]
    assert isinstance(aim, PeakShaving)
    assert aim.peak_price_per_kw == 42.0


def test_a_currency_without_defaults_needs_the_prices_of_its_aim() -> None:
    with pytest.raises(ConfigError, match=r"strategy\.parameters\.carbon_price_per_kg: missing; .* in JPY"):
        given(site("JPY"), StrategySection(name="low_carbon"))
    given(site("JPY"), StrategySection(name="low_carbon", parameters={"carbon_price_per_kg": 80.0}))


def test_the_capacity_charge_comes_from_the_tariff() -> None:
    for strategy in given(site("EUR"), TariffSection(capacity_charge_per_kw=4.0)).values():
        if isinstance(strategy, Objective):
            assert strategy.capacity_charge_per_kw == 4.0

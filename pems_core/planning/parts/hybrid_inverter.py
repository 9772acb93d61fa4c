"""A hybrid inverter: PV and battery on one DC bus, with the operating modes of its firmware."""

import itertools
from math import expm1
from typing import Any

import pyomo.environ as pyo
from pyomo.contrib.fbbt.fbbt import compute_bounds_on_expr

from pems_core.domain import BatteryState, Forecasts, HybridInverterSpec, InverterState, SiteState, of_kind
from pems_core.domain.equipment import BatterySpec, Curve, on_curve
from pems_core.planning.model import DispatchModel, Values

from .operating_states import OperatingStates
from .terminal import stored_kwh_value

CHARGING_KW = 0.02
NOTHING_KW = 1e-3
"""Less than this a device could not tell from nothing, and solvers stumble over limits of its size."""
GRID_CHARGE = "battery_charge_grid"
FROM_HOUSE = ".from_house_kw"


def add_hybrid_inverter(
    model: DispatchModel, name: str, spec: HybridInverterSpec, state: SiteState, forecasts: Forecasts
) -> None:
    """Add PV, battery and inverter of one device.

    pv_dc[t] + discharge[t] + rectifying_efficiency * from_house[t]
        == charge[t] + to_house[t] / inverting_efficiency,  pv_dc = pv / inverting_efficiency

    with `pv` in AC equivalents. Near steps are in exactly one operating state:

    =============  ============  ===========  ================  =====================
    state          charge        discharge    from the grid     to the grid
    =============  ============  ===========  ================  =====================
    storing        <= limit      0            0                 spare PV
    covering       0             <= limit     0                 0
    battery_first  <= limit      0            <= limit          spare PV
    grid_first     0             <= limit     0                 spare PV and battery
    =============  ============  ===========  ================  =====================
    """
    steps = model.pyomo.steps
    now = state.of(name, InverterState)
    available_pv_kw = [spec.pv_share * max(0.0, kw) for kw in forecasts.get("pv_kw", 0.0)]

    inverter = model.part(name)
    inverter.pv_kw = pyo.Var(steps, bounds=lambda _, t: (0, available_pv_kw[t]))
    inverter.to_house_kw = pyo.Var(steps, bounds=(0, spec.ac_limit_kw))
    model.add_source(f"{name}.to_house_kw", lambda t: inverter.to_house_kw[t])
    model.add_flow(f"{name}.pv_kw", lambda t: inverter.pv_kw[t])
    model.add_flow(f"{name}.curtailed_kw", lambda t: available_pv_kw[t] - inverter.pv_kw[t])
    _add_curtailment(model, inverter, spec, forecasts, available_pv_kw)
    model.add_closing(lambda: _bound_by_sun(model, inverter, name, spec, forecasts, available_pv_kw))
    battery = spec.battery
    if battery is None:
        inverter.dc_bus = pyo.Constraint(steps, rule=lambda b, t: b.pv_kw[t] == b.to_house_kw[t])
        return

    _add_battery(model, inverter, name, spec, battery, now, forecasts, available_pv_kw)
    inverter.dc_bus = pyo.Constraint(
        steps,
        rule=lambda b, t: (
            b.pv_kw[t] / spec.inverting_efficiency + b.discharge_kw[t] + spec.rectifying_efficiency * b.from_house_kw[t]
            == b.charge_kw[t] + b.to_house_kw[t] / spec.inverting_efficiency
        ),
    )
    _add_pv_is_stored_first(inverter, spec, available_pv_kw)
    OperatingStates(model, inverter, name, spec, battery, state, forecasts, available_pv_kw).add()
    _add_price_rules(model, inverter, spec, forecasts)


def _add_curtailment(
    model: DispatchModel, inverter: Any, spec: HybridInverterSpec, forecasts: Forecasts, available_pv_kw: list[float]
) -> None:
    """PV is curtailed where nothing takes it, never to import instead: the inverter serves the house from PV first.

    import[t] - overload[t] <= import_limit * (1 - curtailing[t]),
    available[t] - pv[t] <= clipped[t] + available[t] * curtailing[t]

    Only where import is paid for would a plan want to do both. The few such steps are whole however far they are: a
    share of each would promise money that no inverter earns. What exceeds the inverter's AC limit is clipped, whatever
    is imported.
    """
    price, grid = forecasts["import_price_per_kwh"], model.pyomo.grid
    clipped_kw = [max(0.0, kw - spec.ac_limit_kw) for kw in available_pv_kw]
    limit_kw = model.import_limit_kw
    paid = [t for t in model.pyomo.steps if price[t] < 0 and available_pv_kw[t] > 0]
    if not paid:
        return
    inverter.curtailing = pyo.Var(paid, within=pyo.Binary)
    inverter.no_import_while_curtailing = pyo.Constraint(
        paid,
        rule=lambda b, t: grid.import_kw[t] - grid.overload_kw[t] <= limit_kw * (1 - b.curtailing[t]),
    )
    inverter.curtails_only_then = pyo.Constraint(
        paid,
        rule=lambda b, t: available_pv_kw[t] - b.pv_kw[t] <= clipped_kw[t] + available_pv_kw[t] * b.curtailing[t],
    )

    def guess(value: Values) -> list[tuple[Any, float]]:
        # With a surplus there is no need to import, with a deficit none to curtail; charging takes all there is.
        return [
            (
                inverter.curtailing[t],
                float(available_pv_kw[t] > _drawn_kw(model, t, value) and _taken_kw(model, t, value) <= CHARGING_KW),
            )
            for t in paid
        ]

    model.add_guess(guess)


def _add_pv_is_stored_first(inverter: Any, spec: HybridInverterSpec, available_pv_kw: list[float]) -> None:
    """What is bought is stored, and all PV with it.

    charge[t] >= (rectifying_efficiency + available[t] / (inverting_efficiency * highest from_house[t])) * from_house[t]

    While nothing is bought it says nothing; at the highest power it says that the battery takes all PV and the rest
    from the house. So shares of the two neither buy beside PV that is thrown away nor burn energy in circles.
    """

    def stored(b: Any, t: int) -> Any:
        with_it = available_pv_kw[t] / (spec.inverting_efficiency * b.from_house_kw[t].ub)
        return b.charge_kw[t] >= (spec.rectifying_efficiency + with_it) * b.from_house_kw[t]

    inverter.pv_is_stored_first = pyo.Constraint(
        [t for t, from_house_kw in inverter.from_house_kw.items() if from_house_kw.ub > 0], rule=stored
    )


def _bound_by_sun(
    model: DispatchModel,
    inverter: Any,
    name: str,
    spec: HybridInverterSpec,
    forecasts: Forecasts,
    available_pv_kw: list[float],
) -> None:
    """The house takes PV first: nothing is bought or discharged beside PV that is thrown away.

    import[t] + inverting_efficiency * discharge[t] <= open(load[t]) + export[t] + inverting_efficiency * charge[t]
        + (1 - inverting_efficiency * rectifying_efficiency) * from_house[t]

    where load is what all others at the bus draw, and `open` the straight line that lies above
    max(0, load - pv) between the lowest and the highest load that there can be. It is an equation while all PV is
    used, and 0 <= 0 while some is curtailed; so it binds shares of both, and only where a plan would want to curtail.
    """
    buy, sell = forecasts["import_price_per_kwh"], forecasts["feed_in_price_per_kwh"]
    out = spec.inverting_efficiency
    lost = 1 - out * spec.rectifying_efficiency

    def house_first(b: Any, t: int) -> Any:
        low_kw, high_kw = _bounds_of_others(model, name, t)
        pv_kw = min(available_pv_kw[t], spec.ac_limit_kw)
        open_at_low_kw, open_at_high_kw = max(0.0, low_kw - pv_kw), max(0.0, high_kw - pv_kw)
        rise = (open_at_high_kw - open_at_low_kw) / (high_kw - low_kw) if high_kw > low_kw + 1e-6 else 0.0
        import_kw, export_kw = model.import_kw(t), model.export_kw(t)
        load_kw = import_kw - export_kw + b.to_house_kw[t]
        given_kw, taken_kw = import_kw, export_kw
        if spec.battery is not None:
            load_kw -= b.from_house_kw[t]
            given_kw += out * b.discharge_kw[t]
            taken_kw += out * b.charge_kw[t] + lost * b.from_house_kw[t]
        return given_kw <= open_at_low_kw + rise * (load_kw - low_kw) + taken_kw

    unwanted = [t for t in model.pyomo.steps if min(buy[t], sell[t]) < 0 and available_pv_kw[t] > 0]
    inverter.house_takes_pv_first = pyo.Constraint(unwanted, rule=house_first)


def _bounds_of_others(model: DispatchModel, name: str, t: int) -> tuple[float, float]:
    """The least and the most that all others at the house bus can draw in a step [kW]."""
    grid_and_own = {"grid.import_kw", "grid.export_kw", f"{name}.to_house_kw", f"{name}{FROM_HOUSE}"}
    low_kw = high_kw = 0.0
    for ledger, sign in ((model.sinks, 1.0), (model.sources, -1.0)):
        for flow, power_kw in ledger.items():
            if flow not in grid_and_own:
                low, high = compute_bounds_on_expr(power_kw(t))
                low_kw += sign * (low if sign > 0 else high)
                high_kw += sign * (high if sign > 0 else low)
    return low_kw, high_kw


def _drawn_kw(model: DispatchModel, t: int, value: Values) -> float:
    """What the house draws in a step of a solution, apart from feed-in and charging from the grid."""
    given_kw = sum(value(kw(t)) for kw in model.sources.values())
    return given_kw - value(model.export_kw(t)) - _taken_kw(model, t, value)


def _taken_kw(model: DispatchModel, t: int, value: Values) -> float:
    """What inverters take from the house to charge in a step of a solution."""
    return sum(value(kw(t)) for name, kw in model.sinks.items() if name.endswith(FROM_HOUSE))


def _add_battery(
    model: DispatchModel,
    inverter: Any,
    name: str,
    spec: HybridInverterSpec,
    battery: BatterySpec,
    now: InverterState,
    forecasts: Forecasts,
    available_pv_kw: list[float],
) -> None:
    """energy[t] == energy[t-1] - leaked * (energy[t-1] - floor)
    + (charge[t] * charge_efficiency - discharge[t] / discharge_efficiency) * step,  leaked = 1 - exp(-leak * step)
    """
    steps, step_h = model.pyomo.steps, model.horizon.step_h
    stored = of_kind(now.battery, BatteryState)
    capacity = battery.capacity_kwh
    energy_now_kwh = stored.soc * capacity
    floor_kwh, ceiling_kwh = battery.soc_min * capacity, battery.soc_max * capacity
    derating = 1.0 if stored.temperature_c is None else on_curve(battery.temperature_derating, stored.temperature_c)
    charge_limit_kw, discharge_limit_kw = derating * battery.charge_limit_kw, derating * battery.discharge_limit_kw
    allowed_kw = [stored.limits_kw(start) for start in model.horizon.starts]
    below_floor = energy_now_kwh < floor_kwh - 1e-6
    from_house_limit_kw = 0.0 if GRID_CHARGE in now.lacks else min(spec.grid_charge_limit_kw, spec.ac_limit_kw)

    inverter.charge_kw = pyo.Var(steps, bounds=lambda _, t: (0, min(charge_limit_kw, allowed_kw[t][0])))
    inverter.discharge_kw = pyo.Var(steps, bounds=lambda _, t: (0, min(discharge_limit_kw, allowed_kw[t][1])))
    # PV is stored before anything is bought for it.
    left_by_pv_kw = [inverter.charge_kw[t].ub - kw / spec.inverting_efficiency for t, kw in enumerate(available_pv_kw)]
    most_kw = [min(from_house_limit_kw, kw / spec.rectifying_efficiency) for kw in left_by_pv_kw]
    inverter.from_house_kw = pyo.Var(steps, bounds=lambda _, t: (0, most_kw[t] if most_kw[t] > NOTHING_KW else 0.0))
    inverter.energy_kwh = pyo.Var(steps, bounds=(min(floor_kwh, energy_now_kwh), max(ceiling_kwh, energy_now_kwh)))

    def energy_balance(b: Any, t: int) -> Any:
        before = b.energy_kwh[t - 1] if t else energy_now_kwh
        stored_kw = b.charge_kw[t] * battery.charge_efficiency - b.discharge_kw[t] / battery.discharge_efficiency
        # Below the floor nothing leaks, and the floor itself may not be undercut by the leak.
        leaked_kwh = 0.0 if below_floor else leaked_share(battery, step_h[t]) * (before - floor_kwh)
        return b.energy_kwh[t] == before - leaked_kwh + stored_kw * step_h[t]

    inverter.energy_balance = pyo.Constraint(steps, rule=energy_balance)
    if energy_now_kwh > ceiling_kwh + 1e-6:
        # Above its ceiling a battery may rest or discharge; it never rises further.
        inverter.no_higher = pyo.Constraint(
            steps,
            rule=lambda b, t: (
                b.charge_kw[t] * step_h[t] * battery.charge_efficiency
                <= pyo.quicksum(b.discharge_kw[s] * step_h[s] / battery.discharge_efficiency for s in range(t + 1))
            ),
        )
    if below_floor:
        inverter.above_floor = pyo.Var(steps, within=pyo.Binary)
        inverter.floor_reached = pyo.Constraint(
            steps,
            rule=lambda b, t: (
                b.energy_kwh[t] >= min(floor_kwh, energy_now_kwh) + (floor_kwh - energy_now_kwh) * b.above_floor[t]
            ),
        )
        inverter.no_discharge_below_floor = pyo.Constraint(
            steps, rule=lambda b, t: b.discharge_kw[t] <= discharge_limit_kw * b.above_floor[t]
        )
    reach = (min(battery.soc_min, stored.soc), max(battery.soc_max, stored.soc))
    for label, power_kw, limit_kw, curve in (
        ("charge_taper", inverter.charge_kw, charge_limit_kw, battery.charge_taper),
        ("discharge_taper", inverter.discharge_kw, discharge_limit_kw, battery.discharge_taper),
    ):
        lines = concave_lines(curve, *reach)
        if lines:
            inverter.add_component(label, _taper(power_kw, limit_kw, lines, capacity, steps))

    model.add_sink(f"{name}.from_house_kw", lambda t: inverter.from_house_kw[t])
    model.add_flow(f"{name}.charge_kw", lambda t: inverter.charge_kw[t])
    model.add_flow(f"{name}.discharge_kw", lambda t: inverter.discharge_kw[t])
    model.add_level(f"{name}.soc", lambda t: inverter.energy_kwh[t] / capacity)
    if battery.wear_cost_per_kwh:
        wear = battery.wear_cost_per_kwh * sum(step_h[t] * inverter.discharge_kw[t] for t in steps)
        model.add_cost(f"{name}.wear", wear, kind="wear")
    last = model.horizon.steps - 1
    value = stored_kwh_value(forecasts, spec, battery) if model.battery_value is None else model.battery_value
    model.add_cost(f"{name}.stored", -value * (inverter.energy_kwh[last] - energy_now_kwh), kind="terminal")


def _taper(power_kw: Any, limit_kw: float, lines: list[tuple[float, float]], capacity_kwh: float, steps: Any) -> Any:
    """power[t] <= limit * (slope * energy[t] / capacity + share) for each line of a curve."""
    return pyo.Constraint(
        range(len(lines)),
        steps,
        rule=lambda b, i, t: power_kw[t] <= limit_kw * (lines[i][0] / capacity_kwh * b.energy_kwh[t] + lines[i][1]),
    )


def concave_lines(curve: Curve, low: float, high: float) -> list[tuple[float, float]]:
    """Slope and intercept of the lines below which a curve lies between two states of charge, but for those at 1.

    A part of the curve that bends upwards is bridged: a linear model cannot follow it, and a line prolonged
    beyond its part would forbid what the battery can do.

    >>> concave_lines(((0.8, 1.0), (1.0, 0.5)), 0.2, 1.0)
    [(-2.5, 3.0)]
    >>> concave_lines(((0.1, 0.0), (0.5, 1.0)), 0.0, 1.0)
    [(2.0, 0.0)]
    """
    inside = [(x, y) for x, y in curve if low < x < high]
    hull: list[tuple[float, float]] = []
    for x, y in [(low, on_curve(curve, low)), *inside, (high, on_curve(curve, high))]:
        while len(hull) > 1 and _slope(hull[-2], hull[-1]) <= _slope(hull[-1], (x, y)):
            hull.pop()
        hull.append((x, y))
    lines = [(_slope(a, b), a[1] - _slope(a, b) * a[0]) for a, b in itertools.pairwise(hull)]
    return [(round(slope, 9), round(share, 9)) for slope, share in lines if (slope, share) != (0.0, 1.0)]


def _slope(a: tuple[float, float], b: tuple[float, float]) -> float:
    return (b[1] - a[1]) / (b[0] - a[0])


def standby_leak_per_h(battery: BatterySpec) -> float:
    """Standby as a share of the energy above the floor [1/h], equal to `standby_kw` when half full.

    A constant drain would make a battery at its floor infeasible.
    """
    usable_kwh = battery.capacity_kwh * (battery.soc_max - battery.soc_min)
    return 2 * battery.standby_kw / usable_kwh if usable_kwh else 0.0


def leaked_share(battery: BatterySpec, step_h: float) -> float:
    """What standby takes in a step, as a share of the energy above the floor."""
    # Shares next to 1 would leave coefficients of nearly nothing, on which solvers stumble.
    return min(0.99, -expm1(-standby_leak_per_h(battery) * step_h))


def _add_price_rules(model: DispatchModel, inverter: Any, spec: HybridInverterSpec, forecasts: Forecasts) -> None:
    """Optional rules of the house: no grid charging at a high price, no feed-in at a low one."""
    if spec.grid_charge_below_price_per_kwh is not None:
        for t, price in enumerate(forecasts["import_price_per_kwh"]):
            if price >= spec.grid_charge_below_price_per_kwh:
                inverter.from_house_kw[t].setub(0.0)
    if spec.export_above_price_per_kwh is not None:
        for t, price in enumerate(forecasts["feed_in_price_per_kwh"]):
            if price <= spec.export_above_price_per_kwh:
                model.export_kw(t).setub(0.0)

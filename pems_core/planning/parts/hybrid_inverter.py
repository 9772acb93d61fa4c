"""A hybrid inverter: PV and battery on one DC bus, with the operating modes of its firmware."""

import itertools
from math import expm1
from typing import Any

import pyomo.environ as pyo

from pems_core.domain import BatteryState, Forecasts, HybridInverterSpec, InverterState, Plan, SiteState, of_kind
from pems_core.domain.equipment import BatterySpec, Curve, on_curve
from pems_core.planning.model import DispatchModel, Values

from .terminal import stored_kwh_value

STATES = ("storing", "covering", "battery_first", "grid_first")
"""Operating states. `load_first` is two of them: storing a surplus or covering a deficit."""
TOLERANCE_KW = 0.02
NO_FLOW_KW = 1e-6


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
    battery = spec.battery
    if battery is None:
        inverter.dc_bus = pyo.Constraint(steps, rule=lambda b, t: b.pv_kw[t] == b.to_house_kw[t])
        return

    _add_battery(model, inverter, name, spec, battery, now, forecasts)
    inverter.dc_bus = pyo.Constraint(
        steps,
        rule=lambda b, t: (
            b.pv_kw[t] / spec.inverting_efficiency + b.discharge_kw[t] + spec.rectifying_efficiency * b.from_house_kw[t]
            == b.charge_kw[t] + b.to_house_kw[t] / spec.inverting_efficiency
        ),
    )
    _add_operating_states(model, inverter, name, spec, battery, now, state, forecasts, available_pv_kw)
    _add_price_rules(model, inverter, spec, forecasts)


def _add_curtailment(
    model: DispatchModel, inverter: Any, spec: HybridInverterSpec, forecasts: Forecasts, available_pv_kw: list[float]
) -> None:
    """PV is curtailed where nothing takes it, never to import instead: the inverter serves the house from PV first.

    import[t] - overload[t] <= import_limit * (1 - curtailing[t]),
    available[t] - pv[t] <= clipped[t] + available[t] * curtailing[t]

    Only where import is paid for would a plan want to do both; beyond the near steps the two shares add up to 1 at
    most. What exceeds the inverter's AC limit is clipped, whatever is imported.
    """
    price, grid = forecasts["import_price_per_kwh"], model.pyomo.grid
    clipped_kw = [max(0.0, kw - spec.ac_limit_kw) for kw in available_pv_kw]
    limit_kw = model.import_limit_kw
    paid = [t for t in model.pyomo.steps if price[t] < 0 and available_pv_kw[t] > 0]
    near = [t for t in paid if t < model.binary_steps]
    if not paid:
        return
    inverter.curtailing = pyo.Var(near, within=pyo.Binary)
    inverter.no_import_while_curtailing = pyo.Constraint(
        near,
        rule=lambda b, t: grid.import_kw[t] - grid.overload_kw[t] <= limit_kw * (1 - b.curtailing[t]),
    )
    inverter.curtails_only_then = pyo.Constraint(
        near,
        rule=lambda b, t: available_pv_kw[t] - b.pv_kw[t] <= clipped_kw[t] + available_pv_kw[t] * b.curtailing[t],
    )
    inverter.import_or_curtail = pyo.Constraint(
        [t for t in paid if t >= model.binary_steps],
        rule=lambda b, t: (
            (grid.import_kw[t] - grid.overload_kw[t]) / limit_kw
            + (available_pv_kw[t] - b.pv_kw[t] - clipped_kw[t]) / available_pv_kw[t]
            <= 1
        ),
    )
    model.add_guess(
        lambda value: [(inverter.curtailing[t], float(value(grid.import_kw[t]) <= NO_FLOW_KW)) for t in near]
    )


def _add_battery(
    model: DispatchModel,
    inverter: Any,
    name: str,
    spec: HybridInverterSpec,
    battery: BatterySpec,
    now: InverterState,
    forecasts: Forecasts,
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
    below_floor = energy_now_kwh < floor_kwh - 1e-6

    inverter.charge_kw = pyo.Var(steps, bounds=(0, charge_limit_kw))
    inverter.discharge_kw = pyo.Var(steps, bounds=(0, discharge_limit_kw))
    inverter.from_house_kw = pyo.Var(steps, bounds=(0, min(spec.grid_charge_limit_kw, spec.ac_limit_kw)))
    inverter.energy_kwh = pyo.Var(steps, bounds=(min(floor_kwh, energy_now_kwh), max(ceiling_kwh, energy_now_kwh)))
    leak_per_h = standby_leak_per_h(battery)

    def energy_balance(b: Any, t: int) -> Any:
        before = b.energy_kwh[t - 1] if t else energy_now_kwh
        stored_kw = b.charge_kw[t] * battery.charge_efficiency - b.discharge_kw[t] / battery.discharge_efficiency
        # Below the floor nothing leaks, and the floor itself may not be undercut by the leak.
        # Shares next to 1 would leave coefficients of nearly nothing, on which solvers stumble.
        leaked_kwh = 0.0 if below_floor else min(0.99, -expm1(-leak_per_h * step_h[t])) * (before - floor_kwh)
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


def _add_operating_states(
    model: DispatchModel,
    inverter: Any,
    name: str,
    spec: HybridInverterSpec,
    battery: BatterySpec,
    now: InverterState,
    state: SiteState,
    forecasts: Forecasts,
    available_pv_kw: list[float],
) -> None:
    near = range(model.binary_steps)
    far = range(model.binary_steps, model.horizon.steps)
    base_load_kw = forecasts["base_load_kw"]
    import_price, feed_in_price = forecasts["import_price_per_kwh"], forecasts["feed_in_price_per_kwh"]
    charge_limit, discharge_limit = inverter.charge_kw[0].ub, inverter.discharge_kw[0].ub
    from_house_limit = inverter.from_house_kw[0].ub
    # Other loads only lower what PV can feed in, so this is the tightest bound that data alone give.
    site_pv_kw = [max(0.0, kw) for kw in forecasts.get("pv_kw", 0.0)]
    spare_pv_kw = [max(0.0, pv - load) for pv, load in zip(site_pv_kw, base_load_kw, strict=True)]
    export_limit = model.export_kw(0).ub

    def possible(t: int, operating: str) -> bool:
        return not (operating == "storing" and available_pv_kw[t] <= 0.0)

    inverter.state = pyo.Var(near, STATES, within=pyo.Binary, bounds=lambda _, t, s: (0, 1 if possible(t, s) else 0))
    inverter.one_state = pyo.Constraint(near, rule=lambda b, t: sum(b.state[t, s] for s in STATES) == 1)
    inverter.charges_in = pyo.Constraint(
        near,
        rule=lambda b, t: b.charge_kw[t] <= charge_limit * (b.state[t, "storing"] + b.state[t, "battery_first"]),
    )
    inverter.discharges_in = pyo.Constraint(
        near,
        rule=lambda b, t: b.discharge_kw[t] <= discharge_limit * (b.state[t, "covering"] + b.state[t, "grid_first"]),
    )
    # Rectifying and inverting at once would burn energy, which pays at negative prices, and costs nothing while
    # other PV of the site is curtailed.
    burning_pays = [
        t
        for t in near
        if min(import_price[t], feed_in_price[t]) < 0 or site_pv_kw[t] > max(available_pv_kw[t], base_load_kw[t])
    ]
    inverter.battery_charge_grid = pyo.Var(
        near, bounds=(0, 1), domain=lambda _, t: pyo.Binary if t in set(burning_pays) else pyo.Reals
    )
    inverter.grid_charge_in_battery_first = pyo.Constraint(
        near, rule=lambda b, t: b.battery_charge_grid[t] <= b.state[t, "battery_first"]
    )
    inverter.takes_from_house = pyo.Constraint(
        near, rule=lambda b, t: b.from_house_kw[t] <= from_house_limit * b.battery_charge_grid[t]
    )
    inverter.gives_to_house = pyo.Constraint(
        burning_pays, rule=lambda b, t: b.to_house_kw[t] <= spec.ac_limit_kw * (1 - b.battery_charge_grid[t])
    )
    inverter.exports_in = pyo.Constraint(
        near,
        rule=lambda b, t: (
            model.export_kw(t)
            <= spare_pv_kw[t] * (b.state[t, "storing"] + b.state[t, "battery_first"])
            + export_limit * b.state[t, "grid_first"]
        ),
    )
    # Without whole states these two keep a plan from burning energy in circles, which pays at negative prices.
    inverter.one_direction = pyo.Constraint(
        far,
        rule=lambda b, t: (
            b.charge_kw[t] / max(charge_limit, 1e-6) + b.discharge_kw[t] / max(discharge_limit, 1e-6) <= 1
        ),
    )
    if from_house_limit > 0:
        inverter.one_conversion = pyo.Constraint(
            far, rule=lambda b, t: b.from_house_kw[t] / from_house_limit + b.to_house_kw[t] / spec.ac_limit_kw <= 1
        )
    if spec.mode_change_cost:
        _add_mode_changes(model, inverter, name, spec, now, near)
    _pin_overrides(model, inverter, name, state, near)
    surplus = spare_pv_kw

    def mode_at(t: int, value: Values) -> str:
        set_by_hand = state.override(name, "mode", model.horizon.starts[t])
        if set_by_hand is not None:
            return str(set_by_hand.value)
        return _mode_of(inverter, t, value, battery, surplus[t], value(model.export_kw(t)), value(model.import_kw(t)))

    model.add_modes(name, mode_at)
    model.add_guess(lambda value: _guess_states(model, inverter, near, value))
    model.add_memory(lambda plan: _remembered_states(model, inverter, name, plan))


def _remembered_states(model: DispatchModel, inverter: Any, name: str, plan: Plan) -> list[tuple[Any, float]]:
    """The operating states of an earlier plan."""
    if name not in plan.modes or f"{name}.charge_kw" not in plan.dispatch:
        return []
    remembered: list[tuple[Any, float]] = []
    for t, s in plan.decided_steps(model.horizon.starts[: model.binary_steps]):
        operating = plan.modes[name][s].replace("hold", "battery_first")
        if operating == "load_first":
            stores = plan.dispatch[f"{name}.charge_kw"][s] > TOLERANCE_KW
            idle = plan.dispatch[f"{name}.discharge_kw"][s] <= TOLERANCE_KW
            exports = plan.dispatch["grid.export_kw"][s] > TOLERANCE_KW
            operating = "storing" if stores or (idle and exports) else "covering"
        from_grid = plan.dispatch[f"{name}.from_house_kw"][s] > TOLERANCE_KW
        if inverter.state[t, operating].ub > 0:
            remembered += [(inverter.state[t, state], float(state == operating)) for state in STATES]
            remembered.append((inverter.battery_charge_grid[t], float(from_grid and operating == "battery_first")))
    return remembered


def _guess_states(model: DispatchModel, inverter: Any, near: range, value: Values) -> list[tuple[Any, float]]:
    """The operating state that each near step's flows look like; an idle battery stays in the state it was in."""
    guessed: list[tuple[Any, float]] = []
    before = "covering"
    for t in near:
        charge, discharge = value(inverter.charge_kw[t]), value(inverter.discharge_kw[t])
        exporting = value(model.export_kw(t)) > TOLERANCE_KW
        from_grid = charge > discharge and value(inverter.from_house_kw[t]) > TOLERANCE_KW
        likely = ["storing", "battery_first"] if exporting else [before, "covering"]
        if max(charge, discharge) > TOLERANCE_KW:
            if charge > discharge:
                likely = ["battery_first"] if from_grid else ["storing", "battery_first"]
            else:
                likely = ["grid_first"] if exporting else ["covering"]
        elif exporting and before in ("storing", "battery_first"):
            likely.insert(0, before)
        allowed = [s for s in (*likely, *STATES) if inverter.state[t, s].ub > 0]
        before = allowed[0]
        guessed += [(inverter.state[t, s], float(s == before)) for s in STATES]
        guessed.append((inverter.battery_charge_grid[t], float(from_grid and before == "battery_first")))
    return guessed


def _add_mode_changes(
    model: DispatchModel, inverter: Any, name: str, spec: HybridInverterSpec, now: InverterState, near: range
) -> None:
    """changed[t] >= mode[t] - mode[t-1] for each mode; load_first is storing or covering."""
    members = {
        "load_first": ("storing", "covering"),
        "battery_first": ("battery_first",),
        "grid_first": ("grid_first",),
    }
    inverter.changed = pyo.Var(near, bounds=(0, 1))

    def in_mode(t: int, mode: str) -> Any:
        if t < 0:
            return float(now.mode == mode)
        return sum(inverter.state[t, s] for s in members[mode])

    inverter.mode_change = pyo.Constraint(
        near, list(members), rule=lambda b, t, mode: b.changed[t] >= in_mode(t, mode) - in_mode(t - 1, mode)
    )
    model.add_cost(f"{name}.mode_changes", spec.mode_change_cost * sum(inverter.changed[t] for t in near), "wear")


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


def _pin_overrides(model: DispatchModel, inverter: Any, name: str, state: SiteState, near: range) -> None:
    """Hold what a person has set; the plan works around it."""
    for t, start in enumerate(model.horizon.starts):
        mode = state.override(name, "mode", start)
        if mode is not None and t in near:
            allowed = {"load_first": ("storing", "covering")}.get(str(mode.value), (str(mode.value),))
            for operating in STATES:
                if operating not in allowed:
                    inverter.state[t, operating].setub(0)
        charge_grid = state.override(name, "battery_charge_grid", start)
        if charge_grid is not None and not charge_grid.value:
            inverter.from_house_kw[t].setub(0.0)
        export = state.override(name, "grid_export", start)
        if export is not None and not export.value:
            model.export_kw(t).setub(0.0)
        for control, power_kw in (
            ("charge_power_kw", inverter.charge_kw[t]),
            ("discharge_power_kw", inverter.discharge_kw[t]),
        ):
            rate = state.override(name, control, start)
            if rate is not None:
                power_kw.setub(min(power_kw.ub, float(rate.value)))


def _mode_of(
    inverter: Any, t: int, value: Values, battery: BatterySpec, spare_pv_kw: float, export_kw: float, import_kw: float
) -> str:
    """The inverter's mode that brings the planned flows about; load_first wherever it does, as it follows the load.

    load_first stores all surplus and covers any deficit by itself, so a plan that leaves some of either to the
    grid needs another mode: battery_first or grid_first at a rate, or hold.
    """
    charge, discharge = value(inverter.charge_kw[t]), value(inverter.discharge_kw[t])
    soc = value(inverter.energy_kwh[t]) / battery.capacity_kwh
    if charge > TOLERANCE_KW:
        if value(inverter.from_house_kw[t]) > TOLERANCE_KW or import_kw > TOLERANCE_KW:
            return "battery_first"
        at_limit = charge >= inverter.charge_kw[t].ub - TOLERANCE_KW or soc >= battery.soc_max - 1e-3
        leaves_surplus = export_kw > TOLERANCE_KW or value(inverter.pv_kw[t]) < inverter.pv_kw[t].ub - TOLERANCE_KW
        return "battery_first" if leaves_surplus and not at_limit else "load_first"
    if discharge > TOLERANCE_KW:
        if export_kw > TOLERANCE_KW:
            return "grid_first"
        at_limit = discharge >= inverter.discharge_kw[t].ub - TOLERANCE_KW or soc <= battery.soc_min + 1e-3
        return "grid_first" if import_kw > TOLERANCE_KW and not at_limit else "load_first"
    idle_by_itself = (import_kw > TOLERANCE_KW and soc <= battery.soc_min + 1e-3) or (
        export_kw > TOLERANCE_KW and soc >= battery.soc_max - 1e-3
    )
    balanced = import_kw <= TOLERANCE_KW and export_kw <= TOLERANCE_KW
    return "load_first" if idle_by_itself or balanced else "hold"

"""What batteries and their inverters do."""

from collections.abc import Iterator, Sequence

from pems_core.domain import HOUR, BatterySpec, CycleReport, InverterState
from pems_core.recording.catalogue import BATTERY
from pems_core.recording.points import Point

from .moment import RUNS_KW, Moment, times

MODES = ("load_first", "battery_first", "grid_first")


def battery_points(moment: Moment) -> Iterator[Point]:
    """One point for each inverter that has a battery."""
    batteries = {name: spec.battery for name, spec in moment.household.inverters.items() if spec.battery is not None}
    charged_kw = {name: moment.number(f"{name}/charge_kw", "kW") for name in batteries}
    from_grid = _from_grid(moment, [kw for kw in charged_kw.values() if kw is not None])
    for name, battery in batteries.items():
        charge_kw = charged_kw[name]
        from_grid_kw = None if charge_kw is None or from_grid is None else from_grid * charge_kw
        yield _battery(moment, name, battery, charge_kw, from_grid_kw)


def _battery(
    moment: Moment, name: str, battery: BatterySpec, charge_kw: float | None, from_grid_kw: float | None
) -> Point:
    discharge_kw = moment.number(f"{name}/discharge_kw", "kW")
    mode = moment.word(f"{name}/mode")
    status = _status(charge_kw, discharge_kw, from_grid_kw)
    discharge_kwh, from_grid_kwh = times(discharge_kw, moment.hours), times(from_grid_kw, moment.hours)
    return BATTERY.point(
        moment.now,
        moment.site,
        {"device": name},
        {
            "soc": moment.number(f"{name}/soc", "share"),
            "charge_kw": charge_kw,
            "discharge_kw": discharge_kw,
            "charge_kwh": times(charge_kw, moment.hours),
            "discharge_kwh": discharge_kwh,
            "cycles": times(discharge_kwh, 1.0 / battery.capacity_kwh),
            "temperature_c": moment.number(f"{name}/battery_temperature_c", "°C"),
            "mode": mode if isinstance(mode, str) else None,
            "mode_code": float(MODES.index(mode)) if mode in MODES else None,
            "status": status[0],
            "status_code": status[1],
            "grid_charging": None if from_grid_kw is None else float(from_grid_kw > RUNS_KW),
            "grid_charge_kw": from_grid_kw,
            "grid_charge_kwh": from_grid_kwh,
            "grid_charge_cost": times(from_grid_kwh, moment.import_price_per_kwh),
            "planned_soc": planned_soc(moment, name),
        },
    )


def _from_grid(moment: Moment, charged_kw: Sequence[float]) -> float | None:
    """Share of what all batteries take that PV cannot have given, and the grid has; None if it is not known."""
    pv_kw, import_kw = moment.number("site/pv_kw", "kW"), moment.number("site/import_kw", "kW")
    if pv_kw is None or import_kw is None:
        return None
    together_kw = sum(charged_kw)
    return max(0.0, min(together_kw - pv_kw, import_kw)) / together_kw if together_kw > 0.0 else 0.0


def _status(
    charge_kw: float | None, discharge_kw: float | None, from_grid_kw: float | None
) -> tuple[str | None, float | None]:
    if charge_kw is None or discharge_kw is None:
        return None, None
    if discharge_kw > RUNS_KW:
        return "discharging", -1.0
    if charge_kw <= RUNS_KW:
        return "resting", 0.0
    return ("charging from the grid", 2.0) if (from_grid_kw or 0.0) > RUNS_KW else ("charging", 1.0)


def planned_soc(moment: Moment, name: str) -> float | None:
    """State of charge that the plan has for now: on the line between the ends of its steps."""
    report = moment.report
    levels = report.plan.levels.get(f"{name}.soc") if report else None
    if report is None or levels is None or moment.now >= report.plan.horizon.end:
        return None
    horizon = report.plan.horizon
    t = horizon.step_at(moment.now)
    before = levels[t - 1] if t else _soc_then(report, name, levels[0])
    passed = min(1.0, max(0.0, (moment.now - horizon.starts[t]) / HOUR / horizon.step_h[t]))
    return before + (levels[t] - before) * passed


def _soc_then(report: CycleReport, name: str, otherwise: float) -> float:
    state = report.state.devices.get(name)
    return state.battery.soc if isinstance(state, InverterState) and state.battery else otherwise

"""A load that needs some energy by some time, such as a car or a boiler."""

from collections.abc import Callable
from typing import Any

import pyomo.environ as pyo

from pems_core.domain import FlexibleLoadSpec, FlexibleLoadState, Forecasts, SiteState
from pems_core.planning.model import DispatchModel


def add_flexible_load(
    model: DispatchModel, name: str, spec: FlexibleLoadSpec, state: SiteState, forecasts: Forecasts
) -> None:
    """Add the load with its window; what cannot be served by then is missing and has a price.

    sum(power[t] * step over the window) + unserved == needed
    power_min * running[t] <= power[t] <= power_max * running[t]   (equal to power_max if it is on or off)
    """
    now = state.of(name, FlexibleLoadState)
    horizon = model.horizon
    steps, step_h = model.pyomo.steps, horizon.step_h

    def available(t: int) -> bool:
        begins = now.available_from is None or horizon.starts[t] >= now.available_from
        return begins and (now.ready_by is None or horizon.ends[t] <= now.ready_by)

    load = model.part(name)
    load.power_kw = pyo.Var(steps, bounds=lambda _, t: (0, spec.power_max_kw if available(t) else 0))
    load.running = pyo.Var(
        steps, bounds=lambda _, t: (0, 1 if available(t) else 0), domain=lambda _, t: model.switch_domain(t)
    )
    load.unserved_kwh = pyo.Var(bounds=(0, max(0.0, now.energy_needed_kwh)))
    load.served = pyo.Constraint(
        expr=sum(step_h[t] * load.power_kw[t] for t in steps) + load.unserved_kwh == max(0.0, now.energy_needed_kwh)
    )
    held_kw = _held(name, spec, now, state, model, available)
    for t, power_kw in held_kw.items():
        load.power_kw[t].fix(power_kw)
        load.running[t].fix(float(power_kw > 0))
        model.add_unavoidable(t, power_kw)
    load.at_most = pyo.Constraint(steps, rule=lambda b, t: b.power_kw[t] <= spec.power_max_kw * b.running[t])
    least_kw = spec.power_max_kw if spec.on_off else spec.power_min_kw
    if least_kw:
        free = [t for t in steps if t not in held_kw]
        load.at_least = pyo.Constraint(free, rule=lambda b, t: b.power_kw[t] >= least_kw * b.running[t])
    model.add_sink(f"{name}.power_kw", lambda t: load.power_kw[t])
    model.add_level(f"{name}.needed_kwh", lambda t: _needed_after(load, now, step_h, t))
    model.add_cost(f"{name}.unserved", spec.unserved_price_per_kwh * load.unserved_kwh, kind="comfort")


def _needed_after(load: Any, now: FlexibleLoadState, step_h: tuple[float, ...], t: int) -> Any:
    return max(0.0, now.energy_needed_kwh) - sum(step_h[s] * load.power_kw[s] for s in range(t + 1))


def _held(
    name: str,
    spec: FlexibleLoadSpec,
    now: FlexibleLoadState,
    state: SiteState,
    model: DispatchModel,
    available: Callable[[int], bool],
) -> dict[int, float]:
    """The power that a person has set, by step; the load takes it as long as it needs any energy."""
    held: dict[int, float] = {}
    left_kwh = max(0.0, now.energy_needed_kwh)
    for t, start in enumerate(model.horizon.starts):
        override = state.override(name, "power_kw", start)
        if override is not None:
            wanted_kw = min(spec.power_max_kw, max(0.0, float(override.value))) if available(t) else 0.0
            held[t] = min(wanted_kw, left_kwh / model.horizon.step_h[t])
            left_kwh -= held[t] * model.horizon.step_h[t]
    return held

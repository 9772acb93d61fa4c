"""A load gets what it needs, in its time and at powers that it can draw; a plant gives what the sun gives."""

from collections.abc import Iterator

from pems_core.domain import FlexibleLoadSpec, FlexibleLoadState, Forecasts, Plan, PvSpec, SiteState

from . import LIMIT_TOLERANCE_KW, at


def load_faults(plan: Plan, name: str, spec: FlexibleLoadSpec, state: SiteState) -> Iterator[str]:
    now = state.of(name, FlexibleLoadState)
    starts, ends = plan.horizon.starts, plan.horizon.ends
    served_kwh = 0.0
    for t, kw in enumerate(plan.dispatch[f"{name}.power_kw"]):
        served_kwh += kw * plan.horizon.step_h[t]
        if kw > spec.power_max_kw + LIMIT_TOLERANCE_KW:
            yield f"{name}.power_kw is {kw:.2f} kW at {at(plan, t)}; {spec.power_max_kw:g} kW is allowed"
        least_kw = spec.power_max_kw if spec.on_off else spec.power_min_kw
        by_hand = state.override(name, "power_kw", starts[t]) is not None
        # With the last of what it needs it stops within the step.
        done = served_kwh >= now.energy_needed_kwh - LIMIT_TOLERANCE_KW
        excused = by_hand or done or t >= plan.binary_steps
        if LIMIT_TOLERANCE_KW < kw < least_kw - LIMIT_TOLERANCE_KW and not excused:
            yield f"{name}.power_kw is {kw:.2f} kW at {at(plan, t)}; 0 or at least {least_kw:g} kW is allowed"
        early = now.available_from is not None and starts[t] < now.available_from
        late = now.ready_by is not None and ends[t] > now.ready_by
        if kw > LIMIT_TOLERANCE_KW and (early or late):
            yield f"{name}.power_kw is {kw:.2f} kW at {at(plan, t)}, outside the time in which it can be served"
    if served_kwh > now.energy_needed_kwh + LIMIT_TOLERANCE_KW:
        yield f"{name} is given {served_kwh:.2f} kWh; it needs {now.energy_needed_kwh:.2f} kWh"


def pv_faults(plan: Plan, name: str, spec: PvSpec, forecasts: Forecasts) -> Iterator[str]:
    """A plant gives what the sun gives, or less where it can be curtailed."""
    for t, site_kw in enumerate(forecasts.get("pv_kw", 0.0)):
        kw, available_kw = plan.dispatch[f"{name}.pv_kw"][t], spec.pv_share * max(0.0, site_kw)
        least_kw = 0.0 if spec.curtailable else available_kw
        if not least_kw - LIMIT_TOLERANCE_KW <= kw <= available_kw + LIMIT_TOLERANCE_KW:
            yield f"{name}.pv_kw is {kw:.2f} kW at {at(plan, t)}; {least_kw:.2f} to {available_kw:.2f} kW is possible"

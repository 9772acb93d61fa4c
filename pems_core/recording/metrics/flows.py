"""What flows through the house, and what it costs now."""

from collections.abc import Iterator, Mapping

from pems_core.recording.catalogue import FLOWS, PRICES
from pems_core.recording.points import Point

from .heating import heating_kw
from .moment import SLOW_MAX_AGE, Moment, times, total


def flow_points(moment: Moment) -> Iterator[Point]:
    """Powers, the energy since the last sample, and its price."""
    kw = {flow: moment.number(f"site/{flow}", "kW") for flow in ("import_kw", "export_kw", "pv_kw", "load_kw")}
    kw["heating_kw"] = heating_kw(moment)
    inverters = moment.household.inverters
    terminals = {
        flow: total(moment.number(f"{name}/{flow}", "kW") for name in inverters)
        for flow in ("charge_kw", "discharge_kw")
    }
    kwh = {name.replace("_kw", "_kwh"): times(value, moment.hours) for name, value in kw.items()}
    yield FLOWS.point(
        moment.now,
        moment.site,
        {},
        {
            **kw,
            **kwh,
            **terminals,
            **ways_kw(kw | terminals),
            "import_cost": times(kwh["import_kwh"], moment.import_price_per_kwh),
            "export_revenue": times(kwh["export_kwh"], moment.feed_in_price_per_kwh),
            "outdoor_temperature_c": moment.number("site/outdoor_temperature_c", "°C", SLOW_MAX_AGE),
            "ghi_w_m2": moment.number("site/ghi_w_m2", "W/m2", SLOW_MAX_AGE),
        },
    )


def ways_kw(kw: Mapping[str, float | None]) -> Mapping[str, float]:
    """From where to where power flows [kW], PV to the house first; nothing if a part of it is unknown.

    >>> found = ways_kw({"pv_kw": 5.0, "load_kw": 2.0, "charge_kw": 2.5, "discharge_kw": 0.0,
    ...                  "import_kw": 0.0, "export_kw": 0.5})
    >>> [f"{name} {power:g}" for name, power in found.items() if power]
    ['pv_to_load_kw 2', 'pv_to_battery_kw 2.5', 'pv_to_grid_kw 0.5']
    """
    known = [kw[name] for name in ("pv_kw", "load_kw", "charge_kw", "discharge_kw", "import_kw", "export_kw")]
    if any(power is None for power in known):
        return {}
    pv, load, charge, discharge, bought, sold = (power or 0.0 for power in known)
    pv_to_load = min(pv, load)
    pv_to_battery = min(pv - pv_to_load, charge)
    pv_to_grid = min(pv - pv_to_load - pv_to_battery, sold)
    grid_to_battery = min(charge - pv_to_battery, bought)
    battery_to_load = min(discharge, load - pv_to_load)
    return {
        "pv_to_load_kw": pv_to_load,
        "pv_to_battery_kw": pv_to_battery,
        "pv_to_grid_kw": pv_to_grid,
        "grid_to_battery_kw": grid_to_battery,
        "battery_to_load_kw": battery_to_load,
        "battery_to_grid_kw": min(discharge - battery_to_load, sold - pv_to_grid),
        "grid_to_load_kw": bought - grid_to_battery,
    }


def price_points(moment: Moment) -> Iterator[Point]:
    yield PRICES.point(
        moment.now,
        moment.site,
        {},
        {
            "import_price_per_kwh": moment.expected("import_price_per_kwh"),
            "feed_in_price_per_kwh": moment.expected("feed_in_price_per_kwh"),
            "marginal_value_per_kwh": marginal_value_per_kwh(moment),
        },
    )


def marginal_value_per_kwh(moment: Moment) -> float | None:
    """What one more kWh in the house would cost now, as the plan in force has it."""
    plan = moment.report.plan if moment.report else None
    if plan is None or not plan.marginal_value_per_kwh or moment.now >= plan.horizon.end:
        return None
    return plan.marginal_value_per_kwh[plan.horizon.step_at(moment.now)]

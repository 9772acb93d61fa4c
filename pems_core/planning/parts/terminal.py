"""What stored energy is worth at the end of the horizon, so that a plan never empties the house there."""

from datetime import timedelta

from pems_core.domain import BatterySpec, Forecasts, HybridInverterSpec

LOOK_BACK = timedelta(hours=24)
CHEAP_SHARE = 1 / 3


def _last_day(forecasts: Forecasts) -> list[tuple[float, float]]:
    """Import price and step length [h] of the last day of the horizon, cheapest first."""
    horizon = forecasts.horizon
    since = horizon.end - LOOK_BACK
    prices = zip(forecasts["import_price_per_kwh"], horizon.step_h, horizon.ends, strict=True)
    return sorted((price, h) for price, h, end in prices if end > since)


def mean_price(ranked: list[tuple[float, float]], begin: float, end: float) -> float:
    """Mean of prices ranked cheapest first, between two shares of their time.

    >>> mean_price([(1.0, 1.0), (2.0, 1.0), (6.0, 2.0)], 0.0, 0.5)
    1.5
    """
    total_h = sum(h for _, h in ranked)
    at, weight, value = 0.0, 0.0, 0.0
    for price, h in ranked:
        inside = max(0.0, min(at + h, end * total_h) - max(at, begin * total_h))
        value += price * inside
        weight += inside
        at += h
    return value / weight if weight else ranked[-1][0]


def stored_kwh_value(forecasts: Forecasts, spec: HybridInverterSpec, battery: BatterySpec) -> float:
    """Value of one kWh in the cells [currency/kWh], from the prices of the horizon's last day.

    It is worth what putting it back would cost in the cheap hours, but no more than what it would save in
    the dear ones after losses and wear, and never less than nothing.
    """
    ranked = _last_day(forecasts)
    restock = mean_price(ranked, 0.0, CHEAP_SHARE) / (spec.rectifying_efficiency * battery.charge_efficiency)
    use = mean_price(ranked, 1 - CHEAP_SHARE, 1.0) * spec.inverting_efficiency - battery.wear_cost_per_kwh
    return max(0.0, min(restock, use * battery.discharge_efficiency))


def heat_kwh_value(forecasts: Forecasts) -> float:
    """Value of one kWh of heat in a room [currency/kWh]: what heating costs in the cheap hours of the last day."""
    return max(0.0, mean_price(_last_day(forecasts), 0.0, CHEAP_SHARE))

"""Reasons for when a flexible load runs."""

from pems_core.domain import Plan, Reason

from .prices import FLOWING_KW, Prices
from .words import Words, price, runs


def load_reasons(plan: Plan, device: str, prices: Prices, words: Words) -> dict[str, list[Reason]]:
    """Reasons by `<device>.power_kw`: each run, against the mean price until the load is served."""
    power_kw, horizon = plan.dispatch[f"{device}.power_kw"], plan.horizon
    running = [t for t, kw in enumerate(power_kw) if kw > FLOWING_KW]
    if not running:
        return {}
    until = range(running[-1] + 1)
    mean = sum(prices.of_heat[t] * horizon.step_h[t] for t in until) / sum(horizon.step_h[t] for t in until)
    reasons = []
    for first, last in runs(running):
        steps = range(first, last + 1)
        kwh = sum(power_kw[t] * horizon.step_h[t] for t in steps)
        paid = sum(power_kw[t] * horizon.step_h[t] * prices.of_heat[t] for t in steps)
        saves = mean * kwh - paid
        text = f"running {words.span(first, last)}, {kwh:.1f} kWh at {price(paid / kwh)}"
        if saves > 0:
            text += f": {price(mean)} on average until it is served, saves {words.money(saves)}"
        reasons.append(Reason(text, saves, horizon.starts[first], horizon.ends[last]))
    return {f"{device}.power_kw": reasons}

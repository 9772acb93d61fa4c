"""Whether the house feeds in, and whether that is worth it."""

from collections.abc import Iterator

from pems_core.domain import HybridInverterSpec
from pems_core.recording.catalogue import EXPORT
from pems_core.recording.points import Point

from .flows import marginal_value_per_kwh
from .moment import RUNS_KW, Moment, times

STATES = ("forbidden", "allowed", "feeding in")


def export_points(moment: Moment) -> Iterator[Point]:
    """One point for each inverter; the grid's meter is told of the first, since there is one."""
    for name, spec in moment.household.inverters.items():
        yield _export(moment, name, spec)
        return


def _export(moment: Moment, name: str, spec: HybridInverterSpec) -> Point:
    export_kw = moment.number("site/export_kw", "kW")
    enabled = moment.word(f"{name}/grid_export")
    code = None if export_kw is None else 2 if export_kw > RUNS_KW else 0 if enabled is False else 1
    kwh = times(export_kw, moment.hours)
    above_price = spec.export_above_price_per_kwh
    decided = moment.decision(name, "grid_export")
    return EXPORT.point(
        moment.now,
        moment.site,
        {"device": name},
        {
            "enabled": float(enabled) if isinstance(enabled, bool) else None,
            "state": None if code is None else STATES[code],
            "state_code": code,
            "export_kw": export_kw,
            "export_kwh": kwh,
            "revenue": times(kwh, moment.feed_in_price_per_kwh),
            "price_per_kwh": moment.expected("feed_in_price_per_kwh"),
            "threshold_per_kwh": marginal_value_per_kwh(moment) if above_price is None else above_price,
            "reason": (decided.reason.text if decided else "") or None,
        },
    )

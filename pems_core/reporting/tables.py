"""Tables for the terminal, and one plan as JSON."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pems_core.domain import Decision, Forecasts, Plan, Reason

from .findings import spoken
from .plan_course import plan_course
from .plan_rows import PlanRow, plan_rows
from .result import Report
from .scores import savings, scores
from .words import NOTHING, clock, day, local, money, percent, power, price, seconds, zone

PLAN_FORMAT = "pems-plan/1"
MOST_OF_A_FIGURE = 13
"""Characters of "123456.78 CZK"; what is longer breaks into lines."""
FLOW_HEADINGS = {
    "pv_kw": "PV",
    "base_load_kw": "load",
    "flexible_load_kw": "flexible",
    "heating_kw": "heating",
    "battery_charge_kw": "charge",
    "battery_discharge_kw": "disch",
    "grid_import_kw": "import",
    "grid_export_kw": "export",
}


def results_table(report: Report) -> RenderableType:
    """The figures of all runs side by side, and what the first saves against each other one."""
    # No lines between the columns: four runs fit into 80 characters.
    table = Table(
        title=report.title,
        title_justify="left",
        title_style="bold",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 0, 0, 1),
    )
    table.add_column("", no_wrap=True)
    for run in report.results:
        style = "bold" if run is report.subject else ""
        table.add_column(run.name, justify="right", style=style, max_width=max(len(run.name), MOST_OF_A_FIGURE))
    for score in scores(report):
        table.add_row(score.name, *score.values)
    if not report.baselines:
        return table
    return Group(table, _savings_table(report))


def plan_table(
    plan: Plan,
    forecasts: Forecasts,
    timezone: str,
    currency: str,
    decisions: Sequence[Decision] = (),
) -> RenderableType:
    """One plan in local time [kW, currency/kWh]; neighbours that do the same are one row.

    :raises ValueError: if the forecasts are not on the plan's horizon.
    """
    course = plan_course(plan, forecasts)
    rows = plan_rows(course, decisions)
    flows = [name for name in FLOW_HEADINGS if course.knows(name)]
    table = _empty_plan_table(plan, flows, timezone, currency)
    if any(row.reason for row in rows):
        table.add_column("reason", min_width=24)
    changes_clock = local(course.edges[0], timezone).utcoffset() != local(course.edges[-1], timezone).utcoffset()
    today = ""
    for row in rows:
        if day(row.start, timezone) != today:
            today = day(row.start, timezone)
            table.add_section()
            table.add_row(Text(today, style="bold"))
        table.add_row(*_cells(row, flows, timezone, changes_clock))
    reasons = _reasons_table(plan, currency)
    return Group(table, reasons) if reasons is not None else table


def plan_summary(plan: Plan, currency: str) -> str:
    """Cost, how far it can be from the best, where the plan comes from and how long it took."""
    parts = [money(plan.cost, currency)]
    if plan.gap is not None:
        parts.append(f"at most {money(plan.gap, currency)} above the best possible")
    if plan.executed_cost is not None:
        parts.append(f"spends {money(plan.executed_cost, currency)} within the horizon as the devices would do it")
    return ", ".join([*parts, f"{plan.rung} in {seconds(plan.solve_s)}"])


def plan_json(
    plan: Plan, forecasts: Forecasts, decisions: Sequence[Decision] = (), currency: str = ""
) -> dict[str, Any]:
    """One plan as plain data for `json.dumps`: format `pems-plan/1`.

    - `format`, `currency`, `made_at`, `valid_until`, `rung`, `solve_s`, `detail`
    - `cost`, `bound`, `gap`, `executed_cost` and `costs` by term [currency]; null if unknown
    - `steps`: for each step `start`, `end`, `length_h`, `forecasts` (by series, as in docs/architecture.md),
      `flows` (by `<device>.<flow>_kw`), `levels` (at the end of the step), `modes` (by device) and, if known,
      `marginal_value_per_kwh`
    - `decisions`: `device`, `control`, `value`, `unit`, `valid_from`, `valid_until`, `reason`, `saves`, `source`
    - `reasons`: by device or control a list of `text` and `saves` [currency]

    Times are ISO 8601 in UTC. Keys may be added in this format; none is renamed or removed.
    """
    return {
        "format": PLAN_FORMAT,
        "currency": currency,
        "made_at": plan.made_at.isoformat(),
        "valid_until": plan.valid_until.isoformat(),
        "rung": str(plan.rung),
        "solve_s": plan.solve_s,
        "detail": plan.detail,
        "cost": plan.cost,
        "bound": plan.bound,
        "gap": plan.gap,
        "executed_cost": plan.executed_cost,
        "costs": dict(plan.costs),
        "steps": [_step_json(plan, forecasts, t) for t in range(plan.horizon.steps)],
        "decisions": [_decision_json(decision) for decision in decisions],
        "reasons": {name: [_reason_json(reason) for reason in reasons] for name, reasons in plan.reasons.items()},
    }


def _savings_table(report: Report) -> Table:
    bound = f"; perfect foresight: {money(report.bound, report.currency)}" if report.bound is not None else ""
    table = Table(title=f"What {report.subject.name} saves (net cost{bound})", title_justify="left", title_style="bold")
    table.add_column("against")
    for heading in ("net cost", "saving", "", "of the possible"):
        table.add_column(heading, justify="right")
    for saving in savings(report):
        table.add_row(saving.baseline, saving.net_cost, saving.saving, saving.share, saving.of_possible)
    return table


def _empty_plan_table(plan: Plan, flows: Sequence[str], timezone: str, currency: str) -> Table:
    table = Table(
        title=f"Plan of {day(plan.made_at, timezone)} {clock(plan.made_at, timezone)}: {plan_summary(plan, currency)}",
        title_justify="left",
        title_style="bold",
        caption=f"kW and {currency}/kWh; local time, {zone(plan.horizon.start, plan.horizon.end, timezone)}; "
        "rows of several steps show means, and the state of charge at their end",
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for heading in ("time", "buy at", "sell at", *(FLOW_HEADINGS[name] for name in flows), "SOC", "mode"):
        numeric = heading not in {"time", "mode"}
        table.add_column(heading, justify="right" if numeric else "left", no_wrap=True)
    return table


def _cells(row: PlanRow, flows: Sequence[str], timezone: str, changes_clock: bool) -> Sequence[str]:
    prices = [
        price(row.means[name]) if name in row.means else NOTHING
        for name in ("import_price_per_kwh", "feed_in_price_per_kwh")
    ]
    span = f"{clock(row.start, timezone, changes_clock)}–{clock(row.end, timezone, changes_clock)}"
    powers = [power(row.means[name]) for name in flows]
    cells = [span, *prices, *powers, percent(row.soc), spoken(row.mode) or NOTHING]
    return [*cells, row.reason] if row.reason else cells


def _reasons_table(plan: Plan, currency: str) -> Table | None:
    if not any(plan.reasons.values()):
        return None
    table = Table(title="Why", title_justify="left", title_style="bold")
    for heading in ("what", "reason"):
        table.add_column(heading)
    table.add_column("saves", justify="right")
    for name, reasons in plan.reasons.items():
        for reason in reasons:
            table.add_row(name, reason.text, NOTHING if reason.saves is None else money(reason.saves, currency))
    return table


def _step_json(plan: Plan, forecasts: Forecasts, t: int) -> dict[str, Any]:
    step: dict[str, Any] = {
        "start": _iso(plan.horizon.starts[t]),
        "end": _iso(plan.horizon.ends[t]),
        "length_h": plan.horizon.step_h[t],
        "forecasts": {name: forecast.values[t] for name, forecast in forecasts.series.items()},
        "flows": _at(plan.dispatch, t),
        "levels": _at(plan.levels, t),
        "modes": _at(plan.modes, t),
    }
    if plan.marginal_value_per_kwh:
        step["marginal_value_per_kwh"] = plan.marginal_value_per_kwh[t]
    return step


def _at(series: Mapping[str, Sequence[float]] | Mapping[str, Sequence[str]], t: int) -> dict[str, float | str]:
    return {name: values[t] for name, values in series.items()}


def _decision_json(decision: Decision) -> dict[str, Any]:
    return {
        "device": decision.device,
        "control": decision.control,
        "value": decision.value,
        "unit": decision.unit,
        "valid_from": _iso(decision.valid_from),
        "valid_until": _iso(decision.valid_until),
        "reason": decision.reason.text,
        "saves": decision.reason.saves,
        "source": decision.source,
    }


def _reason_json(reason: Reason) -> dict[str, Any]:
    return {"text": reason.text, "saves": reason.saves}


def _iso(instant: datetime) -> str:
    return instant.isoformat()

"""What each cycle cost and decided."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from pems_core.domain import CycleReport, Decision, Rung, Value
from pems_core.recording.catalogue import DECISIONS, OPTIMIZER
from pems_core.recording.points import Point

RUNGS = tuple(Rung)
STAGES = ("measure", "forecast", "plan", "explain")


def optimizer_points(report: CycleReport, site: str) -> Iterator[Point]:
    """One point for the plan of a cycle."""
    plan = report.plan
    yield OPTIMIZER.point(
        report.state.now,
        site,
        {},
        {
            "solve_s": plan.solve_s,
            "cycle_s": sum(report.durations_s.values()),
            **{f"{stage}_s": report.durations_s.get(stage) for stage in STAGES},
            "cost": plan.cost,
            "bound": plan.bound,
            "gap": plan.gap,
            "executed_cost": plan.executed_cost,
            "rung": str(plan.rung),
            "rung_code": float(RUNGS.index(plan.rung)),
            "faults": float(len(report.faults)),
            "overrides": float(len(report.state.overrides)),
        },
    )


@dataclass
class Changes:
    """Tells a decision when it says something else than the one before."""

    site: str
    _last: dict[tuple[str, str], Value] = field(default_factory=dict)

    def points(self, report: CycleReport) -> Iterator[Point]:
        """The controls whose value now is another than in the last cycle."""
        for decision in report.decisions:
            key = (decision.device, decision.control)
            if decision.holds(report.state.now) and self._last.get(key) != decision.value:
                self._last[key] = decision.value
                yield self._point(report, decision)

    def _point(self, report: CycleReport, decision: Decision) -> Point:
        series, value = report.forecasts, decision.value
        t = series.horizon.step_at(decision.valid_from)
        prices = ("import_price_per_kwh", "feed_in_price_per_kwh")
        return DECISIONS.point(
            decision.valid_from,
            self.site,
            {"device": decision.device, "control": decision.control},
            {
                "value": _told(decision),
                "number": None if isinstance(value, str) else float(value),
                "reason": decision.reason.text or None,
                "saves": decision.reason.saves,
                **{name: series[name][t] if name in series.series else None for name in prices},
            },
        )


def _told(decision: Decision) -> str:
    if isinstance(decision.value, bool):
        return "on" if decision.value else "off"
    return decision.value if isinstance(decision.value, str) else f"{decision.value:g} {decision.unit}".rstrip()

"""A plan as plain data, and back, without loss."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from .horizon import Horizon
from .plan import Plan, Reason, Rung

FORMAT = "pems-kept-plan/1"


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """A plan as data for `json.dumps`; lengths in s."""
    return {
        "format": FORMAT,
        "start": plan.horizon.start.isoformat(),
        "lengths_s": [length.total_seconds() for length in plan.horizon.lengths],
        "dispatch": _lists(plan.dispatch),
        "modes": _lists(plan.modes),
        "levels": _lists(plan.levels),
        "costs": dict(plan.costs),
        "stored": list(plan.stored),
        "rung": str(plan.rung),
        "made_at": plan.made_at.isoformat(),
        "valid_until": plan.valid_until.isoformat(),
        "prices": _lists(plan.prices),
        "binary_steps": plan.binary_steps,
        "bound": plan.bound,
        "marginal_value_per_kwh": list(plan.marginal_value_per_kwh),
        "executed_cost": plan.executed_cost,
        "reasons": {name: [_reason(reason) for reason in reasons] for name, reasons in plan.reasons.items()},
        "solve_s": plan.solve_s,
        "detail": plan.detail,
    }


def plan_from_json(data: Mapping[str, Any]) -> Plan | None:
    """The plan that was written; None if it was written in another form."""
    if data.get("format") != FORMAT:
        return None
    lengths = tuple(timedelta(seconds=seconds) for seconds in data["lengths_s"])
    return Plan(
        horizon=Horizon(datetime.fromisoformat(data["start"]), lengths),
        dispatch=_tuples(data["dispatch"]),
        modes=_tuples(data["modes"]),
        levels=_tuples(data["levels"]),
        costs=data["costs"],
        stored=tuple(data["stored"]),
        rung=Rung(data["rung"]),
        made_at=datetime.fromisoformat(data["made_at"]),
        valid_until=datetime.fromisoformat(data["valid_until"]),
        prices=_tuples(data["prices"]),
        binary_steps=data["binary_steps"],
        bound=data["bound"],
        marginal_value_per_kwh=tuple(data["marginal_value_per_kwh"]),
        executed_cost=data["executed_cost"],
        reasons={name: tuple(_reason_from(reason) for reason in reasons) for name, reasons in data["reasons"].items()},
        solve_s=data["solve_s"],
        detail=data["detail"],
    )


def _lists(series: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    return {name: list(values) for name, values in series.items()}


def _tuples(series: Mapping[str, Sequence[Any]]) -> dict[str, tuple[Any, ...]]:
    return {name: tuple(values) for name, values in series.items()}


def _reason(reason: Reason) -> dict[str, Any]:
    return {
        "text": reason.text,
        "saves": reason.saves,
        "valid_from": None if reason.valid_from is None else reason.valid_from.isoformat(),
        "valid_until": None if reason.valid_until is None else reason.valid_until.isoformat(),
    }


def _reason_from(data: Mapping[str, Any]) -> Reason:
    return Reason(data["text"], data["saves"], _instant(data["valid_from"]), _instant(data["valid_until"]))


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)

"""The rules by which alerts are judged, each with what to do; docs/monitoring.md has a heading for each."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from pems_core.domain import Alert

PAGE = "docs/monitoring.md"


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of matter.

    :param name: by which alerts say that they are of this kind.
    :param about: when it holds.
    :param begins_after: how long it must hold before anybody is told.
    :param ends_after: how long it must be right again before that is told: what comes and goes is one alert.
    :param todo: what somebody should do who gets the alert.
    """

    name: str
    about: str
    begins_after: timedelta
    ends_after: timedelta
    todo: str

    @property
    def link(self) -> str:
        """Where more is said."""
        return f"{PAGE}#{self.name.replace('_', '-')}" if self.name else PAGE


def _minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


RULES = (
    Rule(
        "device_lost",
        "A device cannot be read, so that it is left out of plans",
        _minutes(0),
        _minutes(2),
        "Look whether the device has power and network, and what its place in the alert says. "
        "It is given back after 10 min, and taken again by itself once it answers.",
    ),
    Rule(
        "stale_data",
        "Readings that plans need are old or cannot be believed, or there are no prices",
        _minutes(5),
        _minutes(5),
        "Look at the sensor or the source that the alert names; `pems check --connect` shows what is heard. "
        "Until then PEMS plans with what it knew last.",
    ),
    Rule(
        "no_effect",
        "A command was not taken, was not seen to have an effect, or a device could not be given back",
        _minutes(0),
        _minutes(10),
        "Look at the device itself: whether it is switched to remote control, whether somebody else holds it. "
        "`pems stage` shows what became of its commands.",
    ),
    Rule(
        "foreign_writer",
        "Somebody else commands a device against PEMS, which yields for 24 h",
        _minutes(0),
        _minutes(10),
        "Find out who writes: the maker's app or cloud, a second controller, an automation. "
        "Then say `pems stage DEVICE control`.",
    ),
    Rule(
        "comfort",
        "A room that is in use is outside its comfort band by more than `comfort_k`",
        _minutes(30),
        _minutes(15),
        "Look for an open window, a heater that does not heat, or a limit that is too tight; "
        "an override of the room's setpoint heats it at once.",
    ),
    Rule(
        "write_budget",
        "The memory of a device is written, or a relay started, more often than its life allows",
        _minutes(0),
        _minutes(60),
        "Raise `mode_change_cost` or `min_on_minutes` in the house file, or look for overrides that come and go.",
    ),
    Rule(
        "cost_budget",
        "This month's bill is beyond `month_budget`",
        _minutes(0),
        _minutes(60),
        "Look at the bill by day and at prices on the overview; the budget stands in `[alerts]`.",
    ),
    Rule(
        "savings_drop",
        "Yesterday saved much less than the days before",
        _minutes(0),
        _minutes(60),
        "Look at the performance dashboard: commands that fail, forecasts that are wrong, rungs below the plan, "
        "overrides.",
    ),
    Rule(
        "model_degraded",
        "Forecasts were much worse in the last day than in the week before",
        _minutes(60),
        _minutes(180),
        "Look at the weather source and at what is measured; a model that learned from other days may need to be "
        "trained.",
    ),
    Rule(
        "disk",
        "The disk of the state is nearly full, or what is kept there cannot be written",
        _minutes(0),
        _minutes(5),
        "Make room on the disk on which the state folder lies; PEMS goes on from memory until it can write.",
    ),
    Rule(
        "below_plan",
        "Plans do not come from the solver: the house follows an older plan, rules, or its own control",
        _minutes(20),
        _minutes(10),
        "Look at the text for what failed: prices, forecasts, the solver. `pems plan` tries one plan by hand.",
    ),
)
OTHER = Rule(
    "",
    "Anything else that is wrong",
    _minutes(0),
    _minutes(0),
    "Look at the place and the text of the alert.",
)
BY_NAME: Mapping[str, Rule] = {rule.name: rule for rule in RULES}


def rule_of(alert: Alert) -> Rule:
    return BY_NAME.get(alert.rule, OTHER)

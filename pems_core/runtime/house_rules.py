"""What is wrong with a house that runs by the numbers: rooms, plans, forecasts, disk, money."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pems_core.alerting.measured import ErrorTrend, comfort_fault, disk_fault, savings_fault
from pems_core.config import AlertsSection
from pems_core.domain import HeatingSpec, HeatingState, Rung, Severity
from pems_core.recording.metrics.money import Money

from .live import Live

EVERY_S = 60.0
"""[s of the clock]"""
LEAST_WAIT_S = 0.2
"""However fast the clock is [s of the wall]."""
NEARLY_FULL = 0.2
"""Of what must be free: less is critical."""
PLANNED = (Rung.SOLVER, Rung.INCUMBENT)
MB = 1e6
PLAN, DISK, SAVINGS, BILL = "plan", "disk", "savings", "bill"


@dataclass
class HouseRules:
    """Looks at the house now and then, and begins and ends its alerts.

    :param folder: on whose disk the state is kept.
    :param trend: how forecasts were wrong of late.
    """

    live: Live
    section: AlertsSection
    folder: Path
    trend: ErrorTrend
    _begun: set[str] = field(default_factory=set)

    async def run(self) -> None:
        """Look until cancelled."""
        clock = self.live.clock
        while True:
            await clock.sleep(max(EVERY_S, LEAST_WAIT_S * clock.speed))
            self.look()

    def look(self) -> None:
        """Judge what is known now."""
        self._rooms()
        self._plan()
        self._disk()
        for series, fault in self.trend.faults(self.live.now).items():
            self._set(f"forecast of {series}", fault, "model_degraded")

    def take_money(self, days: Sequence[Money], month: Money | None) -> None:
        """Judge what is known of money; of what is not known, what was said stays.

        :param days: whole days, the last one at the end; those without savings against any baseline say nothing.
        :param month: the running one.
        """
        saved = [max(one.saved for one in day.saved.values()) for day in days if day.saved]
        if saved:
            self._set(SAVINGS, savings_fault(saved, self.section.savings_share), "savings_drop")
        if month is not None:
            budget, bill = self.section.month_budget, month.bill
            beyond = f"the bill of this month is {bill:.0f}; {budget:g} is allowed" if budget and bill > budget else ""
            self._set(BILL, beyond, "cost_budget")

    def _rooms(self) -> None:
        live = self.live
        for name, spec in live.house.equipment.items():
            state = live.state.devices.get(name)
            if not isinstance(spec, HeatingSpec) or not isinstance(state, HeatingState):
                continue
            for room in spec.rooms:
                place = f"{name}/{room.name}"
                self._set(f"{place}_temperature_c", state.faults.get(room.name, ""), "stale_data")
                known = state.rooms.get(room.name)
                if known is None or room.name in state.faults:
                    continue
                already, band = place in self._begun, room.comfort.at(live.now)
                fault = comfort_fault(known.temperature_c, band, self.section.comfort_k, already=already)
                self._set(place, fault, "comfort")

    def _plan(self) -> None:
        followed = self.live.followed
        if followed is None:
            return
        plan = followed.plan
        text = (
            "" if plan.rung in PLANNED else f"plans come from {plan.rung}: {plan.detail or 'no better one was found'}"
        )
        severity = Severity.CRITICAL if plan.rung is Rung.RELEASE else Severity.WARNING
        self._set(PLAN, text, "below_plan", severity)

    def _disk(self) -> None:
        free_mb, least_mb = shutil.disk_usage(self.folder).free / MB, self.section.disk_free_mb
        severity = Severity.CRITICAL if free_mb < NEARLY_FULL * least_mb else Severity.WARNING
        self._set(DISK, disk_fault(free_mb, least_mb, already=DISK in self._begun), "disk", severity)

    def _set(self, place: str, text: str, rule: str, severity: Severity = Severity.WARNING) -> None:
        self.live.alerts.set(place, text, severity, rule)
        if text:
            self._begun.add(place)
        else:
            self._begun.discard(place)

"""All metrics of a house that runs, live or simulated."""

from collections.abc import Mapping
from datetime import datetime

from pems_core.domain import CycleReport
from pems_core.recording.points import Point

from .battery import battery_points
from .commands import CommandTimes
from .cycles import Changes, optimizer_points
from .events import OverrideEvents
from .export import export_points
from .flows import flow_points, price_points
from .heating import heating_points
from .moment import Household, Moment
from .quarters import ForecastErrors, PlanReality
from .system import data_age_points

OF_A_MOMENT = (flow_points, price_points, battery_points, heating_points, export_points, data_age_points)


class Metrics:
    """Remembers what must be known of earlier samples and cycles, and makes the points of each new one."""

    def __init__(self, household: Household) -> None:
        self.household = household
        self._commands = CommandTimes(household)
        self._changes = Changes(household.site)
        self._errors = ForecastErrors(household.site)
        self._reality = PlanReality(household.site)
        self._overrides = OverrideEvents(household.site)

    def sample(self, moment: Moment) -> list[Point]:
        """What is measured now, and how long it has been so."""
        points = [point for of in OF_A_MOMENT for point in of(moment)]
        points += self._reality.points(moment)
        points += self._overrides.points(moment.now, moment.state.overrides)
        return points

    def cycle(self, report: CycleReport) -> list[Point]:
        """What a cycle decided, and what became of the commands since the last one."""
        self._errors.note(report)
        return [
            *optimizer_points(report, self.household.site),
            *self._changes.points(report),
            *self._commands.points(report.receipts),
        ]

    def quarter(self, start: datetime, measured: Mapping[str, float]) -> list[Point]:
        """How forecasts of a quarter hour were wrong, whose means are known now by series."""
        return list(self._errors.points(start, measured))

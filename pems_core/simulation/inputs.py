"""The series of a scenario, laid out for a loop over minutes."""

from datetime import datetime

from pems_core.domain import BadSeries

from .scenario import Scenario
from .twins.clock import MINUTE

SERIES = (
    "import_price_per_kwh",
    "feed_in_price_per_kwh",
    "pv_kw",
    "base_load_kw",
    "outdoor_temperature_c",
    "ghi_w_m2",
)


class Inputs:
    """Values by row of the scenario, never changed and so shared by copies of a house.

    :raises BadSeries: if `start` is not a whole minute within the scenario, or its step is not made of minutes.
    """

    def __init__(self, scenario: Scenario, start: datetime) -> None:
        self._name = scenario.name
        self.end = scenario.end
        faults = []
        if not scenario.start <= start < self.end:
            faults.append(f"{scenario.name}: the start is {start}; {scenario.start} to before {self.end} is allowed")
        if (start - scenario.start) % MINUTE or scenario.step % MINUTE:
            faults.append(f"{scenario.name}: the start is {start}, the step {scenario.step}; whole minutes are allowed")
        if faults:
            raise BadSeries(faults)
        self._offset = (start - scenario.start) // MINUTE
        self._minutes_per_row = scenario.step // MINUTE
        table = scenario.frame[list(SERIES)].to_numpy(dtype=float)
        self._rows: list[tuple[float, ...]] = [tuple(row) for row in table.tolist()]

    def __deepcopy__(self, memo: dict[int, object]) -> "Inputs":
        return self

    def row(self, minute: int) -> int:
        """Index of the row in force in a minute, counted from the start of the simulation."""
        return (self._offset + minute) // self._minutes_per_row

    def at(self, row: int) -> tuple[float, ...]:
        """Values in the order of `SERIES`."""
        return self._rows[row]

    def first_day_means(self) -> tuple[float, float]:
        """Outdoor temperature [°C] and irradiance [W/m2] over the first day of the simulation."""
        rows = self._rows[self.row(0) : self.row(1439) + 1]
        return sum(row[4] for row in rows) / len(rows), sum(row[5] for row in rows) / len(rows)

    def require(self, until: datetime) -> None:
        """Refuse to run beyond the end of the scenario.

        :raises BadSeries: if it ends before `until`.
        """
        if until > self.end:
            raise BadSeries([f"{self._name}: ends at {self.end}; {until} is beyond it"])

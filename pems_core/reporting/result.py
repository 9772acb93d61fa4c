"""What a closed loop hands over to be shown: plain data, whoever made it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

import pandas as pd

from pems_core.domain import BadSeries, require_utc

from .course import Course

FLOWS_NEEDED = ("grid_import_kw", "grid_export_kw", "base_load_kw", "cost")
PRICES_NEEDED = ("import_price_per_kwh", "feed_in_price_per_kwh")
BAND_NEEDED = ("low_c", "high_c")


@dataclass(frozen=True)
class RunResult:
    """One closed-loop run of a house.

    `flows` has one row an interval (15 min or finer, equally far apart), labelled by its start in UTC, with the
    columns of `pems simulate --export`:

    - means of the interval [kW], never negative: `grid_import_kw`, `grid_export_kw`, `base_load_kw`, `pv_kw` (what
      the arrays delivered; with `pv_curtailed_kw` it adds up to what they could have), `battery_charge_kw` and
      `battery_discharge_kw` (AC equivalents), `heating_kw`, `flexible_load_kw`
    - levels at the end of the interval: `soc` (0..1), `<room>_c` (°C)
    - `mode` of the inverter, `plan_source` (rung of the plan in force), `cost`: the bill of the interval [currency]

    Columns of a part that the house has not may be absent or empty.

    :raises BadSeries: if a needed column is absent or the rows are not ascending in UTC; all faults at once.
    """

    name: str
    flows: pd.DataFrame
    bill: float
    """Import less feed-in at their prices [currency]."""
    stored_value: float
    """Change of stored battery energy and room heat [currency], valued alike in all runs; positive: more at the end."""
    wear: float
    """Of the battery [currency]."""
    comfort_share: float
    """Share (0..1) of occupied room-time more than 0.3 K outside the band."""
    comfort_kh: float
    """Outside the band, summed over the rooms [K·h]."""
    cpu_s: float
    wall_s: float
    plans: int
    """How many plans were made."""
    rungs: Mapping[str, int]
    """How many plans came from each rung of the fallback ladder."""
    plan_p50_s: float
    plan_p95_s: float
    plan_max_s: float
    cold_share: float = 0.0
    """Of `comfort_share` what was below the band: too warm can be the sun's doing, too cold cannot."""
    capacity_cost: float = 0.0
    """For the highest import of each month, where the tariff has a charge for it [currency]."""
    planned: pd.DataFrame | None = None
    """What the plan in force said of each interval when it began; columns named as in `flows`."""

    def __post_init__(self) -> None:
        faults = [
            *_faults(f"flows of {self.name}", self.flows, FLOWS_NEEDED),
            *(_faults(f"planned of {self.name}", self.planned, ()) if self.planned is not None else ()),
        ]
        if faults:
            raise BadSeries(faults)

    @cached_property
    def course(self) -> Course:
        return Course.regular(self.flows)

    @property
    def net_cost(self) -> float:
        """Bill, capacity charge and battery wear, less the value of what is stored at the end [currency]."""
        return self.bill + self.capacity_cost + self.wear - self.stored_value

    def saves_against(self, baseline: "RunResult") -> float:
        """How much lower the net cost is [currency]."""
        return baseline.net_cost - self.net_cost

    def saving_share(self, baseline: "RunResult") -> float | None:
        """The saving as a share of the baseline's net cost; None if that is not above zero."""
        return self.saves_against(baseline) / baseline.net_cost if baseline.net_cost > 0.005 else None

    def share_of_possible(self, baseline: "RunResult", bound: float | None) -> float | None:
        """The saving as a share of what perfect foresight would save; None if that is unknown or nothing.

        :param bound: net cost of the perfect-foresight optimum [currency].
        """
        if bound is None or baseline.net_cost - bound < 0.005:
            return None
        return self.saves_against(baseline) / (baseline.net_cost - bound)


@dataclass(frozen=True)
class Report:
    """Runs of one house over the same time; the first is what the report is about, the others are baselines.

    :raises BadSeries: if there is no run, two share a name, times are not in UTC, or a column is absent.
    """

    title: str
    currency: str
    timezone: str
    """Name of the zone in which times are shown, such as `Europe/Prague`."""
    scenario_name: str
    provenance: str
    """Where the series come from."""
    start: datetime
    end: datetime
    command: str
    """What to type to get this report again."""
    versions: Mapping[str, str]
    results: Sequence[RunResult]
    prices: pd.DataFrame
    """`import_price_per_kwh`, `feed_in_price_per_kwh` [currency/kWh], and `outdoor_temperature_c` if known."""
    bound: float | None = None
    """Net cost of the perfect-foresight optimum [currency]."""
    bands: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    """By room: `low_c`, `high_c` and, if known, `setpoint_c`."""
    notes: Sequence[str] = ()
    """Assumptions that a reader must know."""
    import_limit_kw: float | None = None
    export_limit_kw: float | None = None

    def __post_init__(self) -> None:
        require_utc(self.start, "the start of a report")
        require_utc(self.end, "the end of a report")
        faults = [*_faults("prices", self.prices, PRICES_NEEDED)]
        for room, band in self.bands.items():
            faults += _faults(f"band of {room}", band, BAND_NEEDED)
        if not self.results:
            faults.append("results are empty; at least one run is needed")
        names = [run.name for run in self.results]
        faults += [f"{names.count(name)} runs are called {name!r}; one is allowed" for name in repeated(names)]
        if faults:
            raise BadSeries(faults)

    @property
    def subject(self) -> RunResult:
        return self.results[0]

    @property
    def baselines(self) -> Sequence[RunResult]:
        return self.results[1:]

    @cached_property
    def price_course(self) -> Course:
        return Course.regular(self.prices)


def repeated(names: Sequence[str]) -> Sequence[str]:
    """The names that occur more than once, in order."""
    return tuple(dict.fromkeys(name for name in names if names.count(name) > 1))


def _faults(what: str, frame: pd.DataFrame, needed: Sequence[str]) -> Iterator[str]:
    for column in needed:
        if column not in frame:
            yield f"{what}: no column {column!r}; found {', '.join(map(str, frame.columns)) or 'none'}"
    index = frame.index
    if not isinstance(index, pd.DatetimeIndex) or str(index.tz) != "UTC":
        yield f"{what}: rows are labelled by {index.dtype}; instants in UTC are needed"
    elif index.empty:
        yield f"{what}: no rows; at least one is needed"
    elif not index.is_monotonic_increasing or index.has_duplicates:
        yield f"{what}: rows are shuffled or doubled; ascending instants are needed"

"""What is expected over the horizon, and what was measured before it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np

from .errors import MissingForecast
from .horizon import HOUR, Horizon

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Forecast:
    """One series, one mean value per step of the horizon."""

    values: tuple[float, ...]
    source: str
    issued_at: datetime
    quantiles: Mapping[float, tuple[float, ...]] = field(default_factory=dict)
    """Values by probability (0..1), where the source knows them."""


@dataclass(frozen=True)
class Forecasts:
    """Named series over one horizon; the name ends in the unit."""

    horizon: Horizon
    series: Mapping[str, Forecast]

    def __post_init__(self) -> None:
        for name, forecast in self.series.items():
            for label, values in [("", forecast.values), *((f" p{q:g}", v) for q, v in forecast.quantiles.items())]:
                if len(values) != self.horizon.steps:
                    raise ValueError(
                        f"forecast {name!r}{label} of {forecast.source} has {len(values)} values, "
                        f"the horizon has {self.horizon.steps} steps"
                    )
                for t, value in enumerate(values):
                    if not math.isfinite(value):
                        raise ValueError(
                            f"forecast {name!r}{label} of {forecast.source} is {value} at "
                            f"{self.horizon.starts[t].isoformat()}; a finite number is needed"
                        )

    def __getitem__(self, name: str) -> tuple[float, ...]:
        try:
            return self.series[name].values
        except KeyError:
            known = ", ".join(sorted(self.series)) or "none"
            raise MissingForecast(f"nobody forecasts {name!r}; there are: {known}") from None

    def onto(self, horizon: Horizon) -> "Forecasts":
        """The same series on another horizon within this one, by mean over each of its steps.

        :raises ValueError: if the other horizon reaches beyond this one.
        """
        if horizon.start < self.horizon.start or horizon.end > self.horizon.end:
            raise ValueError(
                f"{horizon.start.isoformat()} to {horizon.end.isoformat()} was asked for; forecasts reach "
                f"from {self.horizon.start.isoformat()} to {self.horizon.end.isoformat()}"
            )
        edges_h = np.concatenate([[0.0], np.cumsum(self.horizon.step_h)])
        since_h = [(start - self.horizon.start) / HOUR for start in horizon.starts]
        asked_h = np.array([*since_h, (horizon.end - self.horizon.start) / HOUR])

        def means(values: tuple[float, ...]) -> tuple[float, ...]:
            integral = np.concatenate([[0.0], np.cumsum(np.array(values) * self.horizon.step_h)])
            at_edges = np.interp(asked_h, edges_h, integral)
            return tuple(float(x) for x in np.diff(at_edges) / np.diff(asked_h))

        return Forecasts(
            horizon,
            {
                name: replace(f, values=means(f.values), quantiles={q: means(v) for q, v in f.quantiles.items()})
                for name, f in self.series.items()
            },
        )

    def get(self, name: str, default: float) -> tuple[float, ...]:
        """The series, or `default` in each step where nobody forecasts it."""
        found = self.series.get(name)
        return found.values if found else (default,) * self.horizon.steps


@dataclass(frozen=True)
class History:
    """What was measured up to now: one column a series, labelled by interval start in UTC.

    :param foretold: what sources outside say of the weather, in quarter hours from yesterday to the days to come;
        quantiles as `<series>.p10`. None if nobody is asked.
    """

    frame: "pd.DataFrame"
    foretold: "pd.DataFrame | None" = None

    def series(self, name: str) -> "pd.Series[float]":
        """The known values of one series; empty if it was never measured."""
        return self.frame.reindex(columns=[name])[name].dropna().astype(float)

    def outlook(self, name: str) -> "pd.Series[float]":
        """What is said of one series, past and to come; empty if nobody says anything."""
        if self.foretold is None:
            return self.series(name)[:0]
        return self.foretold.reindex(columns=[name])[name].dropna().astype(float)

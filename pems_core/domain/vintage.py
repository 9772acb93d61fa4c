"""What somebody outside said at one time about the hours to come."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from .errors import PemsError
from .horizon import require_utc

if TYPE_CHECKING:
    import pandas as pd


class SourceKind(StrEnum):
    """What a source is asked for; sources of one kind stand in for each other."""

    WEATHER = "weather"
    PRICES = "prices"
    EXCHANGE_RATE = "exchange_rate"
    PV = "pv"
    """What somebody foretells of this house's own production."""


class NoAnswer(PemsError):
    """A source gave nothing that can be used: late, refused, or not what its documentation promises.

    :param retry_after: what the source asked to wait, if it did.
    """

    def __init__(self, text: str, retry_after: timedelta | None = None) -> None:
        super().__init__(text)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Vintage:
    """One answer of a source.

    :param issued_at: when the source made it; when it was fetched, if the source does not say.
    :param step: length of its intervals.
    :param frame: one column a series, its name ending in the unit; quantiles as `<series>.p10`. Labelled by the start
        of each interval in UTC, in order. NaN where the source says nothing.
    """

    source: str
    issued_at: datetime
    fetched_at: datetime
    step: timedelta
    frame: "pd.DataFrame"

    def __post_init__(self) -> None:
        require_utc(self.issued_at, "issued_at")
        require_utc(self.fetched_at, "fetched_at")
        index = self.frame.index
        if str(getattr(index, "tz", None)) != "UTC" or not index.is_monotonic_increasing or not index.is_unique:
            raise ValueError(f"the labels of {self.source} are {index.dtype}; needed: UTC, in order, each once")

    def reaches(self, series: str) -> datetime | None:
        """The end of the last interval of which the source says something; None if there is none."""
        if series not in self.frame:
            return None
        known = self.frame.index[self.frame[series].notna()]
        return None if known.empty else datetime.fromisoformat(str(known.max())).astimezone(UTC) + self.step

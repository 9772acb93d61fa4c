"""What was said of past days before they began: what a forecaster that learns should have had to go by."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

import pandas as pd

from pems_core.domain import SourceKind
from pems_core.protocols import Source

from .book import VintageBook
from .chains import combined, quarters

DAY = timedelta(days=1)


def foretelling(sources: Iterable[Source]) -> Sequence[str]:
    """The names of those who are asked for weather and for PV, the first of each in front."""
    asked = [source for source in sources if source.kind in (SourceKind.WEATHER, SourceKind.PV)]
    return [source.name for source in sorted(asked, key=lambda source: source.place)]


@dataclass
class DayAhead:
    """The last answers of each day before it began (in UTC), from the first source that had one.

    :param sources: their names, the first in front.
    """

    book: VintageBook
    sources: Sequence[str]
    _days: dict[datetime, pd.DataFrame] = field(default_factory=dict, init=False, repr=False)

    def table(self, since: datetime, until: datetime) -> pd.DataFrame:
        """Quarter hours of the days that begin in some time; days of which nobody had said anything are missing."""
        first = datetime.combine(since.astimezone(UTC).date(), time(), UTC)
        days = [day for k in range((until - first) // DAY + 1) if since <= (day := first + k * DAY) < until]
        self._days = {day: self._days[day] if day in self._days else self._of(day) for day in days}
        found = [table for table in self._days.values() if len(table)]
        return pd.concat(found) if found else combined([], since, until)

    def _of(self, day: datetime) -> pd.DataFrame:
        said = [self.book.last_before(source, day, day - DAY) for source in self.sources]
        return combined([quarters(vintage) for vintage in said if vintage is not None], day, day + DAY)

"""Day-ahead prices from outside: a file that is watched, a message, or what exchanges say."""

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pandas as pd

from pems_core.commanding.store import Store
from pems_core.domain import QUARTER, BadSeries, floor_time

from .payloads import LONGEST_TEXT, PricesSet, Refused

FILE = "prices.csv"
TIME, SPOT = "utc_start", "spot_price_per_kwh"
HIGHEST_PER_KWH = 40.0
"""The highest wholesale price ever seen here was 0.94 EUR/kWh; more is a price per MWh, in whatever currency."""
MOST_FAULTS = 10
KWH_PER_MWH = 1000.0


@dataclass
class PriceBook:
    """The spot prices that are known [currency/kWh], by quarter hour.

    :param file: a CSV file with the columns `utc_start` and `spot_price_per_kwh`, in intervals of 15, 30 or 60 min.
    :param eur_rate: units of the site's currency per EUR.
    """

    store: Store
    file: Path
    currency: str
    eur_rate: float = 1.0
    _seen: tuple[int, int] | None = field(default=None, init=False)

    def take(self, message: PricesSet) -> dict[datetime, tuple[float | None, float]]:
        """Keep the prices of a message; each quarter that is new or changed, with its price before and now.

        :raises Refused: with the place of what cannot be; nothing is kept then.
        """
        factor = self._factor(message.unit)
        faults: list[str] = []
        starts: dict[datetime, float] = {}
        for index, price in enumerate(message.prices):
            place = f"prices.{index}"
            faults += _price_faults(place, price.start, price.value * factor)
            if price.start in starts:
                faults.append(f"{place}.start: found {price.start.isoformat()} twice; allowed: once")
            starts[price.start] = price.value * factor
        if faults:
            raise Refused(faults[:MOST_FAULTS])
        return self._keep(quarters(starts, timedelta(minutes=message.minutes)))

    def _factor(self, unit: str) -> float:
        if unit == "EUR/MWh":
            return self.eur_rate / KWH_PER_MWH
        if unit == f"{self.currency}/kWh":
            return 1.0
        raise Refused([f"unit: found {unit[:LONGEST_TEXT]!r}; allowed: EUR/MWh, {self.currency}/kWh"])

    def look(self) -> dict[datetime, tuple[float | None, float]]:
        """Keep the prices of the file if it is new or has changed; what changed by it.

        :raises BadSeries: with row, column, found and allowed; nothing is kept then, until the file changes again.
        """
        try:
            stat = self.file.stat()
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise BadSeries([f"{self.file}: cannot be read: {error}"]) from None
        if (stat.st_mtime_ns, stat.st_size) == self._seen:
            return {}
        self._seen = (stat.st_mtime_ns, stat.st_size)
        return self._keep(read_prices(self.file))

    def put(self, prices: Mapping[datetime, float]) -> dict[datetime, tuple[float | None, float]]:
        """Keep prices by quarter hour [currency/kWh]; what changed by it."""
        return self._keep(prices) if prices else {}

    def _keep(self, prices: Mapping[datetime, float]) -> dict[datetime, tuple[float | None, float]]:
        known = self._known(min(prices))
        changed = {start: (known.get(start), price) for start, price in prices.items() if known.get(start) != price}
        if changed:
            self.store.add_series(SPOT, {start: price for start, (_, price) in changed.items()})
        return changed

    def _known(self, since: datetime) -> dict[datetime, float]:
        days = (self.store.clock.now() - since) / timedelta(days=1)
        frame = self.store.history(days)
        return (
            {}
            if SPOT not in frame
            else {pd.Timestamp(str(at)).to_pydatetime(): float(v) for at, v in frame[SPOT].dropna().items()}
        )

    def known_until(self, now: datetime) -> datetime | None:
        """The end of the last quarter from now on that has a price, without a gap before it; None if now has none."""
        known = self._known(floor_time(now, QUARTER))
        end = floor_time(now, QUARTER)
        while end in known:
            end += QUARTER
        return end if end > now else None


def read_prices(file: Path) -> dict[datetime, float]:
    """Spot prices by quarter hour [currency/kWh].

    :raises BadSeries: one line a fault: row, column, found, allowed.
    """
    try:
        with file.open(encoding="utf-8", newline="") as text:
            rows = list(csv.DictReader(text))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadSeries([f"{file}: cannot be read: {error}"]) from None
    starts: dict[datetime, float] = {}
    faults: list[str] = []
    for number, row in enumerate(rows, start=2):
        faults += _take_row(f"{file}, row {number}", row, starts)
    times = sorted(starts)
    steps = {later - earlier for earlier, later in pairwise(times)}
    step = min(steps, default=timedelta(hours=1))
    if not faults and step not in (QUARTER, 2 * QUARTER, 4 * QUARTER):
        faults.append(f"{file}: rows are {step} apart; allowed: 15, 30 or 60 min")
    if not rows and not faults:
        faults.append(f"{file}: found no row; needed: columns {TIME} and {SPOT}")
    if faults:
        raise BadSeries(faults[:MOST_FAULTS])
    return quarters(starts, step)


def quarters(starts: Mapping[datetime, float], step: timedelta) -> dict[datetime, float]:
    """Values that hold for `step`, by quarter hour."""
    return {start + k * QUARTER: value for start, value in starts.items() for k in range(step // QUARTER)}


def _take_row(place: str, row: Mapping[str, str | None], starts: dict[datetime, float]) -> Iterator[str]:
    start = _instant(row.get(TIME) or "")
    if start is None:
        yield f"{place}, column {TIME}: found {row.get(TIME)!r}; allowed: a time such as 2025-01-15T06:00Z"
        return
    try:
        price = float(row.get(SPOT) or "")
    except ValueError:
        yield f"{place}, column {SPOT}: found {row.get(SPOT)!r}; allowed: a number [currency/kWh]"
        return
    if start in starts:
        yield f"{place}, column {TIME}: found {start.isoformat()} twice; allowed: once"
    starts[start] = price
    yield from _price_faults(place, start, price)


def _instant(text: str) -> datetime | None:
    """A time with its zone, in UTC; None if it is not one."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if found.tzinfo is None else found.astimezone(UTC)


def _price_faults(place: str, start: datetime, per_kwh: float) -> Iterator[str]:
    if start != floor_time(start, QUARTER):
        yield f"{place}: starts at {start.isoformat()}; allowed: quarter hours"
    if not math.isfinite(per_kwh) or abs(per_kwh) > HIGHEST_PER_KWH:
        allowed = f"-{HIGHEST_PER_KWH:g} to {HIGHEST_PER_KWH:g}, probably per MWh"
        yield f"{place}: found {per_kwh:g} per kWh; allowed: {allowed}"

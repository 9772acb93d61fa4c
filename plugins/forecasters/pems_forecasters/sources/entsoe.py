"""The transparency platform of ENTSO-E, through entsoe-py."""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from pems_core.domain import NoAnswer, SourceKind, Vintage
from pems_core.sourcing.vintages import midnight, vintage

from .exchanges import DAY, PRICE


@dataclass(frozen=True)
class Entsoe:
    """A `Source` of day-ahead prices; it needs a token, which is free of charge."""

    zone: str
    """Area as entsoe-py calls it, such as "CZ" or "DE_LU"."""
    token: str
    timezone: str
    place: int = 2
    url: str = "https://web-api.tp.entsoe.eu/api"
    calls_per_day: int = 60
    within_s: int = 30
    name: str = "entsoe"
    kind: SourceKind = SourceKind.PRICES
    calls_per_fetch: int = 1

    async def fetch(self, now: datetime) -> Vintage:
        """See `Source`."""
        zone = ZoneInfo(self.timezone)
        today = now.astimezone(zone).date()
        begin, end = midnight(today, zone), midnight(today + 2 * DAY, zone)
        return self.read(await asyncio.to_thread(self._query, begin, end), now, begin, end)

    def _query(self, begin: datetime, end: datetime) -> "pd.Series[float]":
        """Blocks; whatever the library and its connection raise becomes `NoAnswer`, without the token in it."""
        # Imported here: it brings an HTML parser and a second HTTP client, which who asks others does not need.
        import requests
        from entsoe.entsoe import EntsoePandasClient
        from entsoe.exceptions import NoMatchingDataError, PaginationError

        there = self.url

        class AtAddress(requests.Session):
            """The library has one address in its module; here it stands in the house file."""

            def get(self, url: str | bytes, *args: Any, **options: Any) -> requests.Response:
                return super().get(there, *args, **options)

        client = EntsoePandasClient(
            api_key=self.token, session=AtAddress(), retry_count=1, retry_delay=0, timeout=self.within_s
        )
        try:
            prices: pd.Series[float] = client.query_day_ahead_prices(
                self.zone, start=pd.Timestamp(begin), end=pd.Timestamp(end)
            )
        except NoMatchingDataError:
            raise NoAnswer(f"{self.name}: no prices of {self.zone} from {begin:%Y-%m-%d} on") from None
        except requests.HTTPError as error:
            status = error.response.status_code if error.response is not None else "error"
            raise NoAnswer(f"{self.name}: HTTP {status}") from None
        except (requests.RequestException, PaginationError, ValueError, AttributeError, KeyError, TypeError) as error:
            text = str(error).replace(self.token, "(token)")[:200]
            raise NoAnswer(f"{self.name}: {type(error).__name__}: {text}") from None
        return prices

    def read(self, prices: "pd.Series[float]", now: datetime, begin: datetime, end: datetime) -> Vintage:
        """What the library gave, within the days that were asked for.

        :raises NoAnswer: if it cannot be.
        """
        within = prices[(prices.index >= begin) & (prices.index < end)]
        return vintage(self.name, now, pd.DatetimeIndex(within.index), {PRICE: within.tolist()})

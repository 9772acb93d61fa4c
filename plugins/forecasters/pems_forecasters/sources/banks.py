"""Daily exchange rates against the euro: the Czech National Bank, and the European Central Bank."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

from pems_core.domain import NoAnswer, SourceKind, Vintage
from pems_core.sourcing.vintages import midnight, vintage
from pems_core.sourcing.web import Web, shown

RATE = "currency_per_eur"
DAY = timedelta(days=1)
CNB_HEAD = re.compile(r"(\d{1,2} \w{3} \d{4}|\d{2}\.\d{2}\.\d{4}) #\d+")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class CzechNationalBank:
    """The fixing of working days, about 14:30: text, `Country|Currency|Amount|Code|Rate`.

    https://www.cnb.cz/en/faq/Format-of-the-foreign-exchange-market-rates/
    """

    place: int = 0
    url: str = (
        "https://www.cnb.cz/en/financial-markets/foreign-exchange-market"
        "/central-bank-exchange-rate-fixing/central-bank-exchange-rate-fixing"
    )
    timezone: str = "Europe/Prague"
    calls_per_day: int = 24
    name: str = "cnb"
    kind: SourceKind = SourceKind.EXCHANGE_RATE
    calls_per_fetch: int = 1

    async def fetch(self, now: datetime) -> Vintage:
        """See `Source`."""
        return self.read(await Web(self.url).text("/daily.txt"), now)

    def read(self, text: str, now: datetime) -> Vintage:
        """What the table says: CZK per EUR.

        :raises NoAnswer: if it is not the table that is known.
        """
        lines = text.strip().splitlines()
        head = CNB_HEAD.match(lines[0]) if lines else None
        rows = [line.split("|") for line in lines[2:]]
        euro = [row for row in rows if len(row) == 5 and row[3] == "EUR"]
        if head is None or len(euro) != 1:
            raise NoAnswer(f"{self.name}: not the daily table, with a day and a row of EUR: {shown(text)}")
        try:
            rate = float(euro[0][4].replace(",", ".")) / float(euro[0][2])
            day = _day(head[1])
        except (ValueError, ZeroDivisionError) as error:
            raise NoAnswer(f"{self.name}: not the daily table ({error}): {shown(text)}") from None
        return _of_day(self.name, day, rate, self.timezone, now)


@dataclass(frozen=True)
class EuropeanCentralBank:
    """The reference rates of working days, about 16:00: XML with one `Cube` a currency.

    https://www.ecb.europa.eu/stats/policy_and_exchange_rates/euro_reference_exchange_rates
    """

    currency: str
    place: int = 1
    url: str = "https://www.ecb.europa.eu/stats/eurofxref"
    timezone: str = "Europe/Berlin"
    calls_per_day: int = 24
    name: str = "ecb"
    kind: SourceKind = SourceKind.EXCHANGE_RATE
    calls_per_fetch: int = 1

    async def fetch(self, now: datetime) -> Vintage:
        """See `Source`."""
        return self.read(await Web(self.url).text("/eurofxref-daily.xml"), now)

    def read(self, text: str, now: datetime) -> Vintage:
        """What the file says: units of the currency per EUR.

        :raises NoAnswer: if it is not the file that is known, or has not this currency.
        """
        # A file with entities of its own is none of the bank's; the parser would take its time over them.
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise NoAnswer(f"{self.name}: not the daily file: {shown(text)}")
        try:
            cubes = [element for element in ET.fromstring(text).iter() if element.tag.endswith("}Cube")]  # noqa: S314
            day = date.fromisoformat(next(cube.attrib["time"] for cube in cubes if "time" in cube.attrib))
            rates = {cube.attrib["currency"]: float(cube.attrib["rate"]) for cube in cubes if "currency" in cube.attrib}
        except (ET.ParseError, StopIteration, KeyError, ValueError) as error:
            raise NoAnswer(f"{self.name}: not the daily file ({type(error).__name__}): {shown(text)}") from None
        if self.currency not in rates:
            known = ", ".join(sorted(rates)) or "none"
            raise NoAnswer(f"{self.name}: no rate of {self.currency}; there are: {known}")
        return _of_day(self.name, day, rates[self.currency], self.timezone, now)


def _of_day(source: str, day: date, rate: float, timezone: str, now: datetime) -> Vintage:
    if day > now.date() + DAY:
        raise NoAnswer(f"{source}: found a rate of {day}; allowed: up to today")
    return vintage(source, now, [midnight(day, ZoneInfo(timezone))], {RATE: [rate]}, DAY)


def _day(text: str) -> date:
    """A day as the bank writes it, in English or Czech, whatever the locale of this machine."""
    if "." in text:
        day, month, year = text.split(".")
        return date(int(year), int(month), int(day))
    day, name, year = text.split()
    return date(int(year), MONTHS.index(name) + 1, int(day))

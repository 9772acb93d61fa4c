"""How numbers and times are written for a person."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

NOTHING = "–"


def money(amount: float, currency: str) -> str:
    """
    >>> money(-3.456, "EUR")
    '-3.46 EUR'
    """
    return f"{_no_minus_zero(amount, 2)} {currency}"


def price(amount: float) -> str:
    """A price per kWh, without its unit; small ones with more digits.

    >>> price(0.0874), price(4.321)
    ('0.087', '4.32')
    """
    return _no_minus_zero(amount, 3 if abs(amount) < 1 else 2)


def percent(share: float | None, digits: int = 0) -> str:
    """
    >>> percent(0.314), percent(0.0042, 1), percent(None)
    ('31 %', '0.4 %', '–')
    """
    return NOTHING if share is None else f"{_no_minus_zero(100 * share, digits)} %"


def power(kw: float) -> str:
    """
    >>> power(0.04), power(3.14159)
    ('·', '3.1')
    """
    return "·" if abs(kw) < 0.05 else f"{kw:.1f}"


def energy(kwh: float) -> str:
    """
    >>> energy(7.25), energy(214.3)
    ('7.2 kWh', '214 kWh')
    """
    return f"{kwh:.1f} kWh" if abs(kwh) < 20 else f"{kwh:.0f} kWh"


def seconds(value: float) -> str:
    """
    >>> seconds(0.4321), seconds(75)
    ('0.43 s', '75 s')
    """
    return f"{value:.2f} s" if value < 10 else f"{value:.0f} s"


def span(length: timedelta) -> str:
    """
    >>> span(timedelta(days=3)), span(timedelta(hours=36)), span(timedelta(hours=25))
    ('3 days', '36 h', '25 h')
    """
    hours = length / timedelta(hours=1)
    days = round(hours / 24)
    # Days of 23 and 25 h when the clock changes are still days to a person.
    return f"{days} days" if days > 1 and abs(hours - 24 * days) <= 1 else f"{hours:g} h"


def local(instant: datetime, timezone: str) -> datetime:
    return instant.astimezone(ZoneInfo(timezone))


def clock(instant: datetime, timezone: str, with_zone: bool = False) -> str:
    """The local time of day.

    >>> from datetime import UTC
    >>> clock(datetime(2025, 3, 30, 1, 0, tzinfo=UTC), "Europe/Prague", with_zone=True)
    '03:00 CEST'
    """
    return f"{local(instant, timezone):%H:%M %Z}" if with_zone else f"{local(instant, timezone):%H:%M}"


def day(instant: datetime, timezone: str) -> str:
    """
    >>> from datetime import UTC
    >>> day(datetime(2025, 3, 29, 23, 0, tzinfo=UTC), "Europe/Prague")
    'Sun 30 Mar'
    """
    at = local(instant, timezone)
    return f"{at:%a} {at.day} {at:%b}"


def zone(start: datetime, end: datetime, timezone: str) -> str:
    """The zone with its abbreviations between two instants.

    >>> from datetime import UTC
    >>> zone(datetime(2025, 3, 29, tzinfo=UTC), datetime(2025, 3, 31, tzinfo=UTC), "Europe/Prague")
    'Europe/Prague (CET, then CEST)'
    """
    first, last = f"{local(start, timezone):%Z}", f"{local(end, timezone):%Z}"
    return f"{timezone} ({first})" if first == last else f"{timezone} ({first}, then {last})"


def _no_minus_zero(value: float, digits: int) -> str:
    return f"{round(value, digits) + 0.0:.{digits}f}"

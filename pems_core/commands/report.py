"""`pems report`: a day, week or month looked back on."""

import json
import sys
from datetime import date, datetime, timedelta
from pathlib import Path

import click
from rich.console import Console

from pems_core.clock import SystemClock
from pems_core.domain import ConfigError
from pems_core.hindsight.bill import Reconciled, read_bills, reconcile
from pems_core.hindsight.books import Bookkeeper, DayBooks
from pems_core.hindsight.recorded_day import running_day
from pems_core.hindsight.review import review
from pems_core.hindsight.savings import PERIODS, gather, of, told
from pems_core.hindsight.telling import data, headline, page, tables, title
from pems_core.recording.ledger.coding import plain
from pems_core.recording.ledger.ledger import Ledger
from pems_core.site import HouseFile

from .ledger_options import instant, ledger_options, opened
from .options import require_writable

WEEK = 7


@click.command()
@ledger_options
@click.option("--day", "name", flag_value="day", default="day", help="The day of DATE. [default]")
@click.option("--week", "name", flag_value="week", help="The week, from Monday on.")
@click.option("--month", "name", flag_value="month", help="The month.")
@click.argument("date", required=False)
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write one self-contained page.")
@click.option("--json", "as_json", is_flag=True, help="Print as JSON, format pems-review/1.")
@click.option(
    "--bill",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Bills to hold against the books: CSV with from, to, import_kwh, export_kwh, amount.",
)
@click.option("--regret", is_flag=True, help="Also how far from the best possible, and why. Takes minutes a day.")
@click.option("--anew", is_flag=True, help="Work all books out again, also those that are kept.")
@click.option("--savings", is_flag=True, help="Keep the books of the days that are over, and print what was saved.")
@click.option("--now", hidden=True, help="The time by the engine's clock. [how far the ledger knows]")
def report(
    house: Path | None,
    ledger: Path | None,
    name: str,
    date: str | None,
    html: Path | None,
    as_json: bool,
    bill: Path | None,
    regret: bool,
    anew: bool,
    savings: bool,
    now: str | None,
) -> None:
    """Look back on the day, week or month of DATE, such as 2025-01-15. [the last that the ledger knows]

    What the house cost and what it would have cost otherwise, comfort, energy, plans against reality, forecasts, trend.
    """
    require_writable(html=html)
    built, kept = opened(house, ledger)
    # A ledger has a time of its own: the house may be simulated, or have been switched off since.
    at = kept.measured_until() if now is None else instant(now, "--now", built)
    asked = _day(date, built, at)
    if savings:
        kept.close()
        click.echo(json.dumps(_keep(built, kept.path, asked, at)))
        return
    with kept:
        keeper = Bookkeeper(kept, built)
        found = review(keeper, name, asked, at, anew=anew, with_regret=regret)
        bills = _reconciled(bill, keeper, at)
    if html is not None:
        html.parent.mkdir(parents=True, exist_ok=True)
        html.write_text(page(found, bills), encoding="utf-8")
        click.echo(f"report: {html}", err=True)
    if as_json:
        click.echo(json.dumps(data(found, bills), indent=2))
        return
    console = Console(width=None if sys.stdout.isatty() else 140)
    console.print(f"{built.site.name}, {title(found)}: {headline(found)}", markup=False, highlight=False)
    for table in tables(found, bills):
        console.print()
        console.print(table)


def _keep(house: HouseFile, path: Path, day: date, now: datetime) -> object:
    """Keep the books of days of this month and week that are over; what has been saved, for the engine."""
    with Ledger(path, SystemClock(), writing=True) as ledger:
        keeper = Bookkeeper(ledger, house)
        first = min(day.replace(day=1), day - timedelta(days=WEEK))
        known = ledger.days(first, day)
        days = gather(keeper, "days", first, day, now).days
        for books in days:
            if books.complete and known.get(books.day) != (found := books.data()):
                ledger.add_day(books.day, found)
        days = [_with_regret(keeper, books) if books.day == day - timedelta(days=1) else books for books in days]
    whole = [of("day", books.day, [books]) for books in days if books.complete]
    return {
        "told": told(house, days, day, now),
        "periods": [plain(period.money(house)) for name in PERIODS if (period := of(name, day, days)).days],
        "days": [plain(period.money(house)) for period in whole],
    }


def _with_regret(keeper: Bookkeeper, books: DayBooks) -> DayBooks:
    """The books of the day before also say how far it was from the best possible; that takes a minute, once."""
    if not books.complete or books.deviation is None or books.regret is not None:
        return books
    found = keeper.books(books.day, with_regret=True)
    keeper.ledger.add_day(found.day, found.data())
    return found


def _reconciled(path: Path | None, keeper: Bookkeeper, now: datetime) -> list[Reconciled]:
    bills = read_bills(path) if path is not None else ()
    return [reconcile(bill, gather(keeper, "bill", bill.first, bill.last, now)) for bill in bills]


def _day(text: str | None, house: HouseFile, now: datetime) -> date:
    if text is None:
        return running_day(now, house)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigError([f"DATE: found {text!r}; allowed: a day such as 2025-01-15"]) from None

"""`pems forecast`: what is expected, by whom, and how good it was."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import click
import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pems_core.clock import FastClock
from pems_core.commanding.store import Store
from pems_core.config import ConfigError, StateSection
from pems_core.domain import Forecasts, History, SiteState
from pems_core.forecasting.chain import ask
from pems_core.forecasting.hygiene import cleaned
from pems_core.forecasting.scoring import compared, scores
from pems_core.plugins import create_sources
from pems_core.recording.ledger.ledger import Ledger
from pems_core.reporting.forecasts import backtest_picture, forecasts_picture, forecasts_table, scores_table
from pems_core.reporting.pictures import Picture
from pems_core.runtime.build import Blueprint
from pems_core.runtime.history import LEARN_DAYS
from pems_core.runtime.state_folder import StateFolder
from pems_core.simulation.asked import AskedOutlook
from pems_core.simulation.backtest import Backtest
from pems_core.simulation.outlook import ForecastQuality, Outlook
from pems_core.simulation.scenario import Scenario, read_scenario
from pems_core.site import HouseFile
from pems_core.sourcing.book import VintageBook
from pems_core.sourcing.chains import SourceChain, pv_need, weather_need
from pems_core.sourcing.remembered import DayAhead, foretelling

from .inputs import default_house, house_from, moment
from .ledger_options import opened
from .options import HOUSE_HELP, require_writable
from .own_forecasts import own_forecasters
from .run import blueprint_of

YESTERDAY, AHEAD, LATELY = timedelta(days=1), timedelta(days=4), timedelta(days=15)
SCORED = ("pv_kw", "base_load_kw", "import_price_per_kwh", "outdoor_temperature_c", "ghi_w_m2")
CURTAILED = "pv_curtailed_kw"
"""What PV could have given besides, where that is known: in simulations."""
HISTORY_DAYS = 400.0
LEAST_DAYS = 7.0
"""Of a scenario before its backtest begins: the simple methods need a week."""
FILE = click.Path(path_type=Path, dir_okay=False)


@click.command()
@click.option("--house", type=FILE, help=HOUSE_HELP)
@click.option("--scenario", type=FILE, help="CSV with series to live on. [what the house has measured]")
@click.option("--at", metavar="TIME", help="Local day or time at which the scenario is looked at. [its middle]")
@click.option("--backtest", is_flag=True, help="Tell how good forecasts were, by series and how far ahead.")
@click.option("--ledger", type=FILE, help="Of --backtest: the ledger. [that in the state folder of the house]")
@click.option("--days", type=click.FloatRange(1, 3660), help="Of --backtest: so many of the last days. [30; all]")
@click.option("--every", type=click.IntRange(1, 24), default=6, show_default=True, help="Hours between forecasts.")
@click.option("--series", multiple=True, help=f"Of --backtest: only these. [{', '.join(SCORED)}]")
@click.option("--picture", type=FILE, help="Draw it as PNG.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def forecast(
    house: Path | None,
    scenario: Path | None,
    at: str | None,
    backtest: bool,
    ledger: Path | None,
    days: float | None,
    every: int,
    series: tuple[str, ...],
    picture: Path | None,
    as_json: bool,
) -> None:
    """Show what is expected of sun, load, prices and weather, by whom, how old it is and how sure.

    With --backtest: how good it was. A house looks back on the forecasts that its plans were made with; in a scenario
    the forecasters are asked day by day, and learn anew every 30 days from what was known by then.
    """
    require_writable(picture=picture)
    _require_fitting(scenario, at, backtest, ledger)
    if not backtest:
        _show_now(house, scenario, at, picture, as_json)
        return
    wanted = series or SCORED
    built, tables = (
        _of_scenario(house, scenario, days, every) if scenario is not None else _of_ledger(house, ledger, days, wanted)
    )
    judged = {name: tables[name] for name in wanted if name in tables}
    if not judged:
        raise ConfigError([f"--series: found {', '.join(wanted)}; allowed: {', '.join(sorted(tables)) or 'none'}"])
    found = {name: scores(rows) for name, rows in judged.items()}
    if as_json:
        click.echo(json.dumps({name: json.loads(rows.to_json(orient="index")) for name, rows in found.items()}))
    else:
        Console(width=None if Console().is_terminal else 160).print(scores_table(found))
    _draw(picture, backtest_picture(judged, built.site.timezone))


def _require_fitting(scenario: Path | None, at: str | None, backtest: bool, ledger: Path | None) -> None:
    faults = []
    if at is not None and (scenario is None or backtest):
        faults.append("--at: found without --scenario, or with --backtest; allowed: to look at a scenario")
    if ledger is not None and (scenario is not None or not backtest):
        faults.append("--ledger: found without --backtest, or with --scenario; allowed: with --backtest alone")
    if faults:
        raise ConfigError(faults)


def _show_now(house: Path | None, scenario: Path | None, at: str | None, picture: Path | None, as_json: bool) -> None:
    if scenario is not None:
        built = house_from(house)
        series = read_scenario(scenario, built.tariff)
        now = moment(at, "--at", built) if at is not None else series.start + (series.end - series.start) / 2
        asked = _asked(built, house, series)
        answer, history = asked.answer(now, built.options.horizon(now)), asked.history(now)
        told: list[str] = []
    else:
        blueprint = blueprint_of(house or default_house())
        built, now = blueprint.house, blueprint.clock.now()
        history, told = _known(blueprint, now)
        chain = own_forecasters(built, house)
        answer = asyncio.run(ask(chain, built.options.horizon(now), SiteState(now, {}), history))
    for text in [*told, *answer.faults]:
        click.echo(text, err=True)
    if as_json:
        click.echo(json.dumps(_as_data(answer.forecasts)))
    elif answer.forecasts.series:
        table = forecasts_table(answer.forecasts, now, built.site.timezone)
        Console(width=None if Console().is_terminal else 200).print(table)
    else:
        click.echo("nothing is expected: nothing was measured, no source was asked, and no price is known")
    if answer.forecasts.series:
        _draw(picture, forecasts_picture(answer.forecasts, history.frame, built.site.timezone))


def _known(blueprint: Blueprint, now: datetime) -> tuple[History, list[str]]:
    """What the house has measured and what it was told, and in words who told it of weather and PV."""
    with Store(blueprint.folder.make().path, blueprint.clock, writing=False) as store:
        measured = store.history(LEARN_DAYS)
    frame = measured if measured.empty else cleaned(measured, blueprint.house.measures).frame
    sources = create_sources(blueprint.manager, blueprint.config)
    asked = foretelling(sources)
    if not asked or not blueprint.folder.sources.exists():
        return History(frame), ["weather: no service was asked"]
    with closing(VintageBook(blueprint.folder.sources, blueprint.clock, writing=False)) as book:
        table, told = pd.DataFrame(), []
        for need in (weather_need(), pv_need()):
            of_kind = sorted((s for s in sources if s.kind is need.kind), key=lambda source: source.place)
            chain = SourceChain(need, of_kind, book)
            table = table.combine_first(chain.table(now - YESTERDAY, now + AHEAD, now))
            told += [
                f"{need.kind}: {said.source}, {(now - said.fetched_at) / timedelta(hours=1):.1f} h old, {quality.value}"
                for said, quality in chain.ranked(now)
            ]
        before = DayAhead(book, asked).table(now - LATELY, now - YESTERDAY)
    return History(frame, table.combine_first(before) if len(table) else None), told


def _asked(built: HouseFile, house: Path | None, scenario: Scenario) -> AskedOutlook:
    told = Outlook(scenario, ForecastQuality.REALISTIC)
    return AskedOutlook(scenario, own_forecasters(built, house), built.tariff, told)


def _of_scenario(
    house: Path | None, path: Path, days: float | None, every: int
) -> tuple[HouseFile, Mapping[str, pd.DataFrame]]:
    built = house_from(house)
    scenario = read_scenario(path, built.tariff)
    begin = scenario.start + timedelta(days=LEAST_DAYS)
    if days is not None:
        begin = max(begin, scenario.end - timedelta(days=days))
    if begin >= scenario.end:
        length = (scenario.end - scenario.start) / timedelta(days=1)
        raise ConfigError([f"--scenario: found {length:.1f} days; allowed: more than {LEAST_DAYS:g}"])
    test = Backtest(_asked(built, house, scenario), begin, scenario.end, timedelta(hours=every))
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("walking forward", total=(scenario.end - begin) / timedelta(days=1))
        found = test.run(lambda now: bars.update(task, completed=(now - begin) / timedelta(days=1)))
    for fault in test.faults.values():
        click.echo(fault, err=True)
    timezone = built.site.timezone
    return built, {
        name: compared(rows, test.truth(name), timezone) for name, rows in found.items() if name in scenario.frame
    }


def _of_ledger(
    house: Path | None, path: Path | None, days: float | None, series: tuple[str, ...]
) -> tuple[HouseFile, Mapping[str, pd.DataFrame]]:
    built, ledger = opened(house, path)
    with ledger:
        until = ledger.measured_until()
        since = until - timedelta(days=days or 30.0)
        before = since - timedelta(days=LEAST_DAYS + 2)
        # Of its own house the history leaves out what says nothing, such as PV that may have been curtailed.
        history = _history(built, house, until) if path is None else pd.DataFrame()
        tables = {}
        for name in series:
            foretold = ledger.vintages(name, since, until)
            measured = _measured(ledger, history, name, foretold, before, until)
            if len(foretold) and len(measured.dropna()) > 1:
                tables[name] = compared(foretold, measured, built.site.timezone)
    if not tables:
        found = f"no forecast of {', '.join(series)} since {since:%Y-%m-%d}, or nothing that became of it"
        raise ConfigError([f"--ledger: found {found}; allowed: a ledger of a house that ran"])
    return built, tables


def _history(built: HouseFile, house: Path | None, until: datetime) -> pd.DataFrame:
    folder = StateFolder(built.config[StateSection].path((house or default_house()).parent))
    with Store(folder.make().path, FastClock(until), writing=False) as store:
        measured = store.history(HISTORY_DAYS)
    return measured if measured.empty else cleaned(measured, built.measures).frame


def _measured(
    ledger: Ledger, history: pd.DataFrame, series: str, foretold: pd.DataFrame, since: datetime, until: datetime
) -> "pd.Series[float]":
    if series in history and history[series].notna().any():
        return history[series]
    telemetry = ledger.telemetry([series, CURTAILED], since, until)
    measured = telemetry[series]
    if series == "pv_kw":
        measured = measured + telemetry[CURTAILED].fillna(0.0)
    if measured.notna().any():
        return measured
    # What nobody measures, such as a price, was known when it came: the first step of each forecast tells it.
    known = foretold[foretold["start"] <= foretold["issued_at"]].drop_duplicates("start", keep="last")
    return known.set_index("start")["value"].sort_index()


def _as_data(forecasts: Forecasts) -> dict[str, object]:
    return {
        "starts": [start.isoformat() for start in forecasts.horizon.starts],
        "end": forecasts.horizon.end.isoformat(),
        "series": {
            name: {
                "values": list(found.values),
                "source": found.source,
                "issued_at": found.issued_at.isoformat(),
                "quantiles": {f"{q:g}": list(values) for q, values in found.quantiles.items()},
            }
            for name, found in forecasts.series.items()
        },
    }


def _draw(path: Path | None, picture: Picture) -> None:
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture.png)
    click.echo(f"picture: {path}", err=True)

"""`pems history`: what forecasters learn from, and where more of it comes from."""

from datetime import timedelta
from pathlib import Path

import click
import pandas as pd
from rich.console import Console
from rich.table import Table

from pems_core.commanding.store import Store
from pems_core.config import InfluxSection
from pems_core.domain import QUARTER, ConfigError, floor_time
from pems_core.recording.influx import Influx, read_history
from pems_core.recording.influx.history import own

from .options import house_option
from .run import blueprint_of

MOST_DAYS = 400


@click.command()
@house_option
@click.option("--from-influxdb", is_flag=True, help="Take from the database what is not known yet. PEMS must not run.")
@click.option("--days", type=click.IntRange(1, MOST_DAYS), default=MOST_DAYS, show_default=True, help="How far back.")
def history(house: Path, from_influxdb: bool, days: int) -> None:
    """Show what is known of the past, and take more from the InfluxDB of [influxdb].

    Without [[influxdb.history]] the points are read that PEMS itself wrote; with it, those of an existing installation.
    """
    blueprint = blueprint_of(house)
    with Store(blueprint.folder.make().path, blueprint.clock, writing=from_influxdb) as store:
        if from_influxdb:
            section = blueprint.config.get(InfluxSection)
            if section is None:
                raise ConfigError(["influxdb: missing; --from-influxdb needs this section, see pems.example.toml"])
            taken = _take(store, blueprint.house.site.name, section.beside(blueprint.beside), days)
            click.echo(f"{taken} quarter hours were taken")
        show(store.history(days))


def _take(store: Store, site: str, section: InfluxSection, days: int) -> int:
    """Keep what the database has and the store has not; how many quarter hours that were."""
    until = floor_time(store.clock.now(), QUARTER)
    since = until - timedelta(days=days)
    server = Influx(section)
    try:
        found = read_history(server, since, until, section.history or own(site))
    finally:
        server.close()
    known = store.history(days)
    unknown = found.where(known.reindex(index=found.index, columns=found.columns).isna())
    count = 0
    for start, row in unknown.iterrows():
        values = {str(name): float(value) for name, value in row.dropna().items()}
        if values:
            store.add_history(pd.Timestamp(str(start)).to_pydatetime(), values)
            count += 1
    return count


def show(frame: pd.DataFrame) -> None:
    """Each series, how far it reaches, and how much of that is known."""
    table = Table("series", "from", "to", "days known", box=None)
    for name in frame:
        known = frame[name].dropna()
        if len(known):
            reach = (f"{at:%Y-%m-%d %H:%M}" for at in (known.index[0], known.index[-1]))
            table.add_row(str(name), *reach, f"{len(known) * (QUARTER / timedelta(days=1)):.1f}")
    Console().print(table if table.rows else "nothing was measured yet")

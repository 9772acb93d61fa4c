"""What an InfluxDB remembers of a house, as the quarter-hour means that forecasters and models learn from."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import pandas as pd

from pems_core.config import HistoryMapping
from pems_core.domain import QUARTER

from .server import Influx

AT_ONCE = timedelta(days=7)
"""A year of quarter hours in one answer would keep a small server busy for long."""
OWN = (
    HistoryMapping(series="pv_kw", measurement="flows", field="pv_kw"),
    HistoryMapping(series="base_load_kw", measurement="flows", field="load_kw"),
    HistoryMapping(series="base_load_kw", measurement="flows", field="heating_kw", factor=-1.0),
    HistoryMapping(series="grid_import_kw", measurement="flows", field="import_kw"),
    HistoryMapping(series="outdoor_temperature_c", measurement="flows", field="outdoor_temperature_c"),
    HistoryMapping(series="ghi_w_m2", measurement="flows", field="ghi_w_m2"),
)
"""Where PEMS itself writes the series that it learns from."""


def own(site: str) -> Sequence[HistoryMapping]:
    """Where PEMS writes those of one house: others may write into the same database."""
    return [entry.model_copy(update={"tags": {"site": site}}) for entry in OWN]


def read_history(
    server: Influx, since: datetime, until: datetime, mapping: Sequence[HistoryMapping] = OWN
) -> pd.DataFrame:
    """One column for each series, labelled by the start of the quarter hour in UTC; empty where nothing was measured.

    A series of several entries is their sum, in the quarter hours in which all of them are known.

    :raises Away: if the server does not answer.
    :raises NotTaken: if it does not understand.
    """
    parts: dict[str, list[pd.Series[float]]] = {}
    for entry in mapping:
        parts.setdefault(entry.series, []).append(_means(server, entry, since, until))
    columns = {name: pd.concat(found, axis=1).sum(axis=1, skipna=False).dropna() for name, found in parts.items()}
    frame = pd.DataFrame(columns)
    frame.index.name = "utc_start"
    return frame.sort_index()


def _means(server: Influx, entry: HistoryMapping, since: datetime, until: datetime) -> "pd.Series[float]":
    values: dict[pd.Timestamp, float] = {}
    for begin, end in _pieces(since, until):
        for series in server.ask(question(entry, begin, end)):
            for at_ms, value in series["values"]:
                if value is not None:
                    values[pd.Timestamp(at_ms, unit="ms", tz="UTC")] = float(value) * entry.factor + entry.offset
    return pd.Series(values, index=pd.DatetimeIndex(values, tz="UTC"), dtype=float)


def question(entry: HistoryMapping, since: datetime, until: datetime) -> str:
    """The means of one field in InfluxQL.

    >>> from datetime import UTC
    >>> begin = datetime(2025, 1, 1, tzinfo=UTC)
    >>> question(OWN[0], begin, begin + QUARTER)
    'SELECT mean("pv_kw") FROM "flows" WHERE time >= 1735689600000ms AND time < 1735690500000ms GROUP BY time(15m) ...'
    """
    minutes = QUARTER // timedelta(minutes=1)
    tags = "".join(f" AND {_name(tag)} = {_text(value)}" for tag, value in sorted(entry.tags.items()))
    return (  # names and texts are quoted
        f"SELECT mean({_name(entry.field)}) FROM {_name(entry.measurement)} "  # noqa: S608
        f"WHERE time >= {_ms(since)} AND time < {_ms(until)}{tags} GROUP BY time({minutes}m) fill(none)"
    )


def _pieces(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    while since < until:
        end = min(until, since + AT_ONCE)
        yield since, end
        since = end


def _ms(at: datetime) -> str:
    return f"{round(at.timestamp() * 1000)}ms"


def _name(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

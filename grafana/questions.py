"""What panels ask, in InfluxQL that 1.x, 2.x and 3 understand; measurements and fields are those of the catalogue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pems_core.recording.catalogue import BY_NAME

OF_SITE = '"site" =~ /^$site$/'
OF_ROOM = '"room" =~ /^$room$/'
OF_BASELINE = '"baseline" =~ /^$baseline$/'
BY_INTERVAL = "time($__interval)"
BY_DAY = "time(1d)"
"""Local days of the house, those of 23 and 25 hours too: InfluxDB's own days are in UTC."""
ZONE = "{zone}"
"""Stands for the time zone of the house until files are made."""
WEEK = "now-6d/d"
"""Today and the six days before it, each whole: the oldest would otherwise be what is left of it."""
MONTH = "now-29d/d"
SINCE_BEGUN = {"day": "now/d", "week": WEEK, "month": "now/M"}
"""Figures of a period stand at its start: of the running one that is no further back, of the one before it is. The last
Monday, or today, is among the last seven days, whichever day a browser begins weeks with."""


@dataclass(frozen=True)
class Question:
    """One query of a panel."""

    text: str
    called: str = ""
    as_table: bool = False


def ask(
    measurement: str,
    *asked: str | tuple[str, str],
    where: Sequence[str] = (),
    by: Sequence[str] = (BY_INTERVAL,),
    fill: str = "",
    called: str = "",
    tail: str = "",
    table: bool = False,
) -> Question:
    """One question.

    :param asked: parts such as `mean soc`, each as a pair with what it is called if it has a name of its own.
    :param where: conditions beside site and time.
    :param by: what to group by: times, and names of tags.
    :param fill: what stands where there is nothing: null if it is left out and times are grouped.
    :param called: name of the series; `$tag_room` is the room.
    """
    columns = ", ".join(_column(measurement, one) for one in asked)
    conditions = " AND ".join([OF_SITE, *where, "$timeFilter"])
    groups = [name if "(" in name else f'"{_tag(measurement, name)}"' for name in by]
    text = f'SELECT {columns} FROM "{measurement}" WHERE {conditions}'  # noqa: S608
    text += f" GROUP BY {', '.join(groups)}" if groups else ""
    times = any(name.startswith("time(") for name in by)
    text += f" fill({fill or 'none'})" if times else ""
    days = f"tz('{ZONE}')" if BY_DAY in by else ""
    return Question(" ".join(part for part in (text, tail, days) if part), called, table)


def of_each_battery(column: str) -> Question:
    """A figure of every battery, beside its name."""
    return ask("battery", column, by=["device"], called="$tag_device")


def _column(measurement: str, one: str | tuple[str, str]) -> str:
    what, called = one if isinstance(one, tuple) else (one, "")
    said = _formula(measurement, what)
    return f'{said} AS "{called}"' if called else said


def _formula(measurement: str, what: str) -> str:
    """Functions and fields as InfluxQL writes them.

    >>> _formula("battery", "mean soc"), _formula("flows", "1 - sum export_kwh / sum pv_kwh")
    ('mean("soc")', '1 - sum("export_kwh") / sum("pv_kwh")')
    """
    known = {metric.name for metric in BY_NAME[measurement].metrics}
    words, found = what.split(), list[str]()
    while words:
        word = words.pop(0)
        if word in FUNCTIONS:
            field, *rest = words.pop(0).split(":")
            found.append(f'{word}("{_known(measurement, field, known)}"{"".join(f", {r}" for r in rest)})')
        elif word.isidentifier():
            names = known | set(BY_NAME[measurement].tags)
            found.append(f'"{_known(measurement, word, names)}"')
        else:
            found.append(word)
    return " ".join(found)


FUNCTIONS = ("mean", "sum", "last", "max", "min", "count", "percentile", "first")


def _known(measurement: str, field: str, known: set[str] | Mapping[str, str]) -> str:
    if field not in known:
        raise ValueError(f"{measurement}: found {field!r}; allowed: {', '.join(sorted(known))}")
    return field


def _tag(measurement: str, tag: str) -> str:
    return _known(measurement, tag, {"site", *BY_NAME[measurement].tags})

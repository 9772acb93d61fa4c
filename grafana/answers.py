"""What panels show: their questions put to a real InfluxDB, as Grafana puts them."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

Ask = Callable[[str], Sequence[Mapping[str, Any]]]
"""Takes a question in InfluxQL, and gives the series of the answer with times in milliseconds."""
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
POINTS = 500
"""How many values a panel asks for over its width."""


@dataclass(frozen=True)
class Course:
    """One series of a panel."""

    name: str
    times: Sequence[datetime]
    values: Sequence[Any]

    @property
    def last(self) -> Any:
        return next((value for value in reversed(self.values) if value is not None), None)


@dataclass(frozen=True)
class Answer:
    """What one panel shows: courses, and for tables their columns and rows besides."""

    panel: Mapping[str, Any]
    since: datetime
    until: datetime
    courses: Sequence[Course]
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()


@dataclass(frozen=True)
class Viewer:
    """Looks at dashboards at one time, with a choice for each variable.

    :param chosen: by variable; several values of one are alternatives.
    """

    ask: Ask
    now: datetime
    chosen: Mapping[str, Sequence[str]]

    def panels(self, board: Mapping[str, Any]) -> list[Answer]:
        """Everything on a dashboard; a panel that is repeated once for each value that is chosen."""
        found = []
        for panel in board["panels"]:
            if panel["type"] == "row":
                continue
            repeated = panel.get("repeat")
            for value in self.chosen[repeated] if repeated else [None]:
                viewer = self if value is None else self._with(repeated, value)
                titled = panel if value is None else panel | {"title": panel["title"].replace(f"${repeated}", value)}
                found.append(viewer.answer(board, titled))
        return found

    def answer(self, board: Mapping[str, Any], panel: Mapping[str, Any]) -> Answer:
        """One panel."""
        since = begin(self.now, panel.get("timeFrom") or board["time"]["from"], ZoneInfo(board["timezone"]))
        courses: list[Course] = []
        columns: list[str] = []
        rows: list[Sequence[Any]] = []
        for target in panel["targets"]:
            series = self.ask(self.put(target["query"], since, panel.get("interval", "")))
            if target["resultFormat"] == "table":
                columns = list(series[0]["columns"]) if series else columns
                rows += [row for one in series for row in one["values"]]
            courses += [course for one in series for course in _courses(one, target.get("alias", ""))]
        return Answer(panel, since, self.now, courses, columns, rows)

    def put(self, question: str, since: datetime, least: str = "") -> str:
        """A question as Grafana sends it, with its macros and variables filled in."""
        interval_s = max(
            1, round((self.now - since).total_seconds() / POINTS), round(length(least or "1s").total_seconds())
        )
        said = question.replace("$timeFilter", f"time >= {_ms(since)}ms AND time <= {_ms(self.now)}ms")
        said = said.replace("$__interval", f"{interval_s}s")
        for name, values in self.chosen.items():
            told = values[0] if len(values) == 1 else f"({'|'.join(values)})"
            for written in (f"${{{name}}}", f"${name}"):
                said = said.replace(written, told)
        return said

    def _with(self, name: str, value: str) -> "Viewer":
        return Viewer(self.ask, self.now, {**self.chosen, name: [value]})


def _courses(series: Mapping[str, Any], alias: str) -> list[Course]:
    tags = series.get("tags", {})
    times = [datetime.fromtimestamp(row[0] / 1000, UTC) for row in series["values"]]
    named = re.sub(r"\$tag_(\w+)", lambda found: tags.get(found[1], ""), alias)
    return [
        Course(named or column, times, [row[k] for row in series["values"]])
        for k, column in enumerate(series["columns"])
        if k > 0
    ]


def begin(now: datetime, text: str, zone: ZoneInfo) -> datetime:
    """From when on somebody looks, as Grafana writes it: so long back, then to the start of that local day or month.

    >>> prague, now = ZoneInfo("Europe/Prague"), datetime(2025, 3, 31, 10, tzinfo=UTC)
    >>> [f"{begin(now, text, prague):%d.%m. %H:%M}" for text in ("36h", "now/d", "now-6d/d", "now/M")]
    ['29.03. 22:00', '30.03. 22:00', '24.03. 23:00', '28.02. 23:00']
    """
    back, _, rounded = text.removeprefix("now").removeprefix("-").partition("/")
    if not rounded:
        return now - length(back)
    day = now.astimezone(zone).date() - (length(back) if back else timedelta(0))
    first = {"d": day, "M": day.replace(day=1)}[rounded]
    return datetime.combine(first, time(0), zone).astimezone(UTC)


def length(text: str) -> timedelta:
    """A length of time as Grafana writes it.

    >>> length("36h")
    datetime.timedelta(days=1, seconds=43200)
    """
    return timedelta(seconds=int(text[:-1]) * UNITS[text[-1]])


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def read(text: str) -> dict[str, Any]:
    """A dashboard from its file."""
    found: dict[str, Any] = json.loads(text)
    return found

"""A dashboard: its panels in rows, its variables, its annotations, and the links to the others."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as model

from .panels import SOURCE, Panel
from .questions import OF_SITE, ZONE

TAG = "pems"
SCHEMA_VERSION = 39
WIDTH = 24
"""Of Grafana's grid; on a phone each panel takes the whole width, in their order."""
ANNOTATIONS = (
    ("Critical alerts", "red", "\"kind\" = 'alert' AND \"severity\" = 'critical'"),
    ("Alerts", "orange", "\"kind\" = 'alert' AND \"severity\" = 'warning'"),
    ("Overrides", "blue", "\"kind\" = 'override'"),
)
ROOMS = 'SHOW TAG VALUES FROM "heating" WITH KEY = "room" WHERE "site" =~ /^$site$/'
BASELINES = 'SHOW TAG VALUES FROM "savings" WITH KEY = "baseline" WHERE "site" =~ /^$site$/'


@dataclass(frozen=True)
class Row:
    """Panels side by side, all of one height.

    :param panels: alike in width, or each with its own.
    :param title: of a heading above them; none if it is empty.
    """

    height: int
    panels: Sequence[Panel | tuple[Panel, int]]
    title: str = ""

    @property
    def placed(self) -> Sequence[tuple[Panel, int]]:
        """Each panel with its width."""
        even = WIDTH // len(self.panels)
        return [panel if isinstance(panel, tuple) else (panel, even) for panel in self.panels]


@dataclass(frozen=True)
class Board:
    """One dashboard.

    :param name: of its file, and the last part of its uid.
    :param back: the time that it shows at first.
    """

    name: str
    title: str
    about: str
    back: str
    rows: Sequence[Row]
    with_rooms: bool = False
    with_baseline: bool = False
    refresh: str = "1m"
    others: Sequence[str] = field(default=())

    @property
    def uid(self) -> str:
        return f"{TAG}-{self.name}"

    def text(self) -> str:
        """The JSON that Grafana reads."""
        made = json.loads(json.dumps(self._build(), cls=JSONEncoder))
        made |= {"schemaVersion": SCHEMA_VERSION, "version": 1}
        # Grafana does not know it any more.
        made.pop("style", None)
        for variable in made["templating"]["list"]:
            # The SDK writes what only some kinds of variables have.
            for name in ("auto", "auto_count", "auto_min", "id"):
                variable.pop(name, None)
        for panel in made["panels"]:
            if panel.get("options", {}) is None:
                panel["options"] = {}
            if panel.get("timeFrom"):
                panel["hideTimeOverride"] = True
            if panel.get("repeat"):
                panel["maxPerRow"] = 3
        return json.dumps(made, indent=2, ensure_ascii=False, sort_keys=True) + "\n"

    def _build(self) -> Any:
        board = (
            build.Dashboard(self.title)
            .uid(self.uid)
            .description(self.about)
            .tags([TAG])
            .time(f"now-{self.back}", "now")
            # Whoever looks from elsewhere sees the house's own days.
            .timezone(ZONE)
            .week_start("monday")
            .refresh(self.refresh)
            .tooltip(model.DashboardCursorSync.CROSSHAIR)
            .editable()
            .link(
                build.DashboardLink("PEMS")
                .type(model.DashboardLinkType.DASHBOARDS)
                .tags([TAG])
                .as_dropdown(False)
                .keep_time(True)
                .include_vars(True)
            )
            .annotations([_annotation(*said) for said in ANNOTATIONS])
            .variables(self._variables())
        )
        y, number = 0, 0
        for row in self.rows:
            if row.title:
                number += 1
                heading = build.Row(row.title).id(number).grid_pos(model.GridPos(1, WIDTH, 0, y))
                board.with_row(heading)
                y += 1
            x = 0
            for panel, width in row.placed:
                number += 1
                board.with_panel(panel.id(number).grid_pos(model.GridPos(row.height, width, x, y)))
                x += width
            y += row.height
        return board.build()

    def _variables(self) -> list[Any]:
        site = _of_database("site", "Site", 'SHOW TAG VALUES FROM "flows" WITH KEY = "site"')
        found = [build.DatasourceVariable("source").label("Database").type("influxdb"), site]
        if self.with_rooms:
            found.append(_of_database("room", "Room", ROOMS).multi(True).include_all(True))
        if self.with_baseline:
            found.append(_of_database("baseline", "Compared with", BASELINES))
        return found


def _of_database(name: str, label: str, question: str) -> build.QueryVariable:
    return (
        build.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(question)
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
    )


def _annotation(name: str, colour: str, where: str) -> Any:
    """Marks over all courses, from the events that PEMS writes."""

    class Target:
        def to_json(self) -> dict[str, object]:
            question = f'SELECT "title", "text", "place" FROM "events" WHERE {OF_SITE} AND {where} AND $timeFilter'  # noqa: S608
            return {
                "refId": "Anno",
                "query": question,
                "rawQuery": True,
                "fromAnnotations": True,
                "titleColumn": "title",
                "textColumn": "text",
                "tagsColumn": "place",
            }

    class Built:
        def build(self) -> Target:
            return Target()

    target: Any = Built()
    return build.AnnotationQuery().name(name).datasource(SOURCE).enable(True).icon_color(colour).target(target)

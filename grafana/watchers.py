"""Alert rules of Grafana itself: for when PEMS cannot tell any more, and for those who only look at Grafana."""

import json
from dataclasses import dataclass
from typing import Any

from .questions import Question, ask

SOURCE_UID = "pems"
DOCS = "docs/monitoring.md"
EXPRESSIONS = "__expr__"
ALL_SITES = ".*"


@dataclass(frozen=True)
class Watcher:
    """One rule: when the newest value of a question is beyond a limit for some time.

    :param limit: `gt` or `lt`, and the value.
    :param silence: what it means that there is no value: `Alerting`, `OK` or `NoData`.
    """

    name: str
    title: str
    question: Question
    limit: tuple[str, float]
    minutes: int
    severity: str
    todo: str
    anchor: str = "alerts"
    back_s: int = 900
    silence: str = "OK"


WATCHERS = (
    Watcher(
        "silent",
        "PEMS is silent",
        ask("system", "last uptime_s", by=()),
        ("lt", 0),
        5,
        "critical",
        "No metrics have come for 15 min: look whether PEMS runs, and whether it reaches the database.",
        silence="Alerting",
    ),
    Watcher(
        "unwell",
        "PEMS is not well",
        ask("system", "last healthy", by=["site"]),
        ("lt", 1),
        5,
        "critical",
        "Some part of the loop is late: the topic heartbeat and the log say which.",
    ),
    Watcher(
        "critical",
        "Critical alerts are in force",
        ask("system", "last alerts_critical", by=["site"]),
        ("gt", 0),
        1,
        "critical",
        "See the events on the performance dashboard, and the topic alerts.",
    ),
    Watcher(
        "lost",
        "A device is lost",
        ask("data_age", "last lost", by=["site", "device"]),
        ("gt", 0),
        5,
        "critical",
        "It is named by the alert's label device.",
        "device-lost",
    ),
    Watcher(
        "below-plan",
        "Plans do not come from the solver",
        ask("optimizer", "last rung_code", by=["site"]),
        ("gt", 1),
        30,
        "warning",
        "See the plans on the performance dashboard.",
        "below-plan",
        14400,
    ),
    Watcher(
        "plan-age",
        "The plan is old",
        ask("system", "last plan_age_s", by=["site"]),
        ("gt", 10800),
        5,
        "warning",
        "No cycle has ended for three hours.",
        "below-plan",
    ),
    Watcher(
        "commands",
        "Commands fail",
        ask("commands", "mean success", by=["site"]),
        ("lt", 0.8),
        60,
        "warning",
        "See the commands that failed on the performance dashboard.",
        "no-effect",
        21600,
    ),
    Watcher(
        "comfort",
        "Rooms are not comfortable",
        ask("heating", "sum violation_kh", by=["site"]),
        ("gt", 10),
        30,
        "warning",
        "See the discomfort by room on the heating dashboard.",
        "comfort",
        21600,
    ),
    Watcher(
        "disk",
        "The disk is nearly full",
        ask("system", "last disk_free_mb", by=["site"]),
        ("lt", 500),
        10,
        "warning",
        "Make room where the state folder lies.",
        "disk",
    ),
    Watcher(
        "waiting",
        "Points wait for the database",
        ask("system", "last points_waiting", by=["site"]),
        ("gt", 20000),
        15,
        "warning",
        "The database takes no points: look whether it runs and has room.",
        "influxdb",
    ),
)


def text() -> str:
    """The file that Grafana reads at its start."""
    group = {
        "orgId": 1,
        "name": "pems",
        "folder": "PEMS",
        "interval": "1m",
        "rules": [_rule(watcher) for watcher in WATCHERS],
    }
    return json.dumps({"apiVersion": 1, "groups": [group]}, indent=2, ensure_ascii=False) + "\n"


def _rule(watcher: Watcher) -> dict[str, Any]:
    kind, value = watcher.limit
    return {
        "uid": f"pems-{watcher.name}",
        "title": watcher.title,
        "condition": "C",
        "data": [
            _query(
                "A",
                SOURCE_UID,
                watcher.back_s,
                {"query": at_all_sites(watcher), "rawQuery": True, "resultFormat": "time_series"},
            ),
            _query("B", EXPRESSIONS, 0, {"type": "reduce", "expression": "A", "reducer": "last"}),
            _query(
                "C",
                EXPRESSIONS,
                0,
                {
                    "type": "threshold",
                    "expression": "B",
                    "conditions": [{"evaluator": {"type": kind, "params": [value]}}],
                },
            ),
        ],
        "for": f"{watcher.minutes}m",
        "noDataState": watcher.silence,
        "execErrState": "Error",
        "labels": {"severity": watcher.severity},
        "annotations": {"summary": watcher.title, "description": watcher.todo, "docs": f"{DOCS}#{watcher.anchor}"},
    }


def _query(letter: str, source: str, back_s: int, model: dict[str, Any]) -> dict[str, Any]:
    return {
        "refId": letter,
        "relativeTimeRange": {"from": back_s, "to": 0},
        "datasourceUid": source,
        "model": {"refId": letter, **model},
    }


def at_all_sites(watcher: Watcher) -> str:
    """Rules have no variables."""
    return watcher.question.text.replace("$site", ALL_SITES)

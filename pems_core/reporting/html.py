"""The report as one HTML file that needs nothing else: styles and pictures are inside."""

from base64 import b64encode
from datetime import datetime

from jinja2 import Environment, PackageLoader, StrictUndefined

from .findings import headline
from .pictures import pictures
from .result import Report
from .scores import savings, scores
from .words import clock, day, local, money, zone


def html_report(report: Report) -> str:
    """Results, pictures, assumptions, provenance and the command to get them again, as one HTML document.

    Every text of the report is escaped; the document asks no server for anything and forbids itself to.
    """
    environment = Environment(
        loader=PackageLoader("pems_core.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        report=report,
        headline=headline(report),
        scores=scores(report),
        savings=savings(report),
        bound=None if report.bound is None else money(report.bound, report.currency),
        period=_period(report.start, report.end, report.timezone),
        pictures=[
            {"name": p.name, "caption": p.caption, "data": b64encode(p.png).decode("ascii")} for p in pictures(report)
        ],
    )


def _period(start: datetime, end: datetime, timezone: str) -> str:
    """From when to when in local time."""

    def told(at: datetime) -> str:
        return f"{day(at, timezone)} {local(at, timezone).year} {clock(at, timezone)}"

    return f"{told(start)} to {told(end)}, {zone(start, end, timezone)}"

"""What is measured and counted, as points of a time series database: one measurement, at one time, under some tags."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

Value = float | str
"""Switches are 1 and 0: a database can sum and average them."""
MILLISECOND = timedelta(milliseconds=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Point:
    """Several fields measured at one time. Written again it replaces itself: time and tags say which point it is."""

    measurement: str
    time: datetime
    tags: Mapping[str, str]
    fields: Mapping[str, Value] = field(default_factory=dict)


def as_lines(points: Iterable[Point]) -> list[str]:
    """The points in InfluxDB's line protocol, times in milliseconds; those of which nothing is known are left out.

    >>> from datetime import UTC
    >>> as_lines([Point("battery", datetime(2025, 1, 1, tzinfo=UTC), {"site": "home"}, {"soc": 0.5, "mode": "hold"})])
    ['battery,site=home mode="hold",soc=0.5 1735689600000']
    """
    return [line for point in points if point.fields and (line := _line(point))]


def _line(point: Point) -> str:
    # A house without a database need not wait until it is loaded.
    import influxdb_client

    # Counted here: the client counts in floats, and says one millisecond of some twice and the next of them never.
    milliseconds = (point.time - EPOCH) // MILLISECOND
    said = influxdb_client.Point(point.measurement).time(milliseconds, influxdb_client.WritePrecision.MS)
    for name, tag in point.tags.items():
        said.tag(name, _one_line(tag))
    for name, value in point.fields.items():
        # Always a float: a field that was once written as 21 takes 21.5 no more.
        said.field(name, _one_line(value) if isinstance(value, str) else float(value))
    return str(said.to_line_protocol())


def _one_line(text: str) -> str:
    """A text that is one line, in letters that can be sent: what somebody wrote or a device said may be neither."""
    return " ".join(text.encode(errors="replace").decode().splitlines())

"""A real InfluxDB 1.6 that holds the simulated week."""

from collections.abc import Sequence
from datetime import timedelta

from pems_core.config import InfluxSection
from pems_core.recording.influx import Influx
from pems_core.recording.points import Point, as_lines

from .answers import Ask, Viewer
from .week import BASELINES, END

AT_ONCE = 5000
SECOND = timedelta(seconds=1)


def fill(url: str, points: Sequence[Point]) -> Influx:
    """Write the points as PEMS writes them."""
    server = Influx(InfluxSection(url=url, version=1))
    server.prepare()
    for begin in range(0, len(points), AT_ONCE):
        server.write("\n".join(as_lines(points[begin : begin + AT_ONCE])))
    return server


def viewer(ask: Ask, rooms: Sequence[str], site: str = "reference") -> Viewer:
    """Somebody who looks at the end of the week, at all rooms."""
    return Viewer(ask, END - SECOND, {"site": [site], "room": rooms, "baseline": [BASELINES[1]]})

"""The lines that a Miniserver sends by UDP: `YYYY-MM-DD HH:MM:SS;name;value;room;type;tag1;tag2` (protocols C.4)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from .image import POINTS
from .values import Unreadable

MOST_BYTES = 2048
"""A longer datagram was cut off: its last line is not whole."""
MOST_AGE = timedelta(minutes=15)
FIELDS = 7


@dataclass(frozen=True, slots=True)
class Line:
    """One value of one room."""

    at: datetime
    name: str
    value: str
    room: str
    kind: str
    tags: tuple[str, str]

    @property
    def what(self) -> str | None:
        """What is said, as `image.POINTS` calls it; relays are known by their first tag. None: nothing for PEMS."""
        if self.kind in POINTS or self.kind == "pems_ok":
            return self.kind
        return "relay" if self.tags[0] == "heating" else None


def whole_lines(datagram: str) -> list[str]:
    """The lines of a datagram, without one that was cut off."""
    lines = datagram.splitlines()
    if len(datagram.encode()) >= MOST_BYTES and not datagram.endswith("\n"):
        lines = lines[:-1]
    return [line for line in lines if line.strip()]


def parse_line(place: str, text: str, received_at: datetime, zone: ZoneInfo) -> Line:
    """One line. A name may have semicolons in it, so the fields behind it are counted from the end.

    :param zone: of the Miniserver's wall clock.
    :raises Unreadable: if it is none, or was not said in the last `MOST_AGE`.
    """
    parts = [part.strip() for part in text.split(";")]
    if len(parts) < FIELDS:
        raise Unreadable(place, text, "time;name;value;room;type;tag1;tag2")
    value, room, kind, *tags = parts[-5:]
    at = _instant(place, parts[0], received_at, zone)
    return Line(at, ";".join(parts[1:-5]), value, room, kind.lower(), (tags[0].lower(), tags[1].lower()))


def _instant(place: str, text: str, received_at: datetime, zone: ZoneInfo) -> datetime:
    """The instant that a wall clock showed, which the time of arrival decides where it shows an hour twice (56)."""
    try:
        shown = datetime.strptime(text, "%Y-%m-%d %H:%M:%S")  # noqa: DTZ007 - wall clock without a zone
    except ValueError:
        raise Unreadable(place, text, "local time as YYYY-MM-DD HH:MM:SS") from None
    try:
        instants = [shown.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    except OverflowError:
        raise Unreadable(place, text, "a time of this century") from None
    nearest = min(instants, key=lambda at: abs(at - received_at))
    if abs(nearest - received_at) > MOST_AGE:
        raise Unreadable(place, text, f"a local time within {MOST_AGE} of {received_at:%Y-%m-%d %H:%M:%S} UTC")
    return min(nearest, received_at)

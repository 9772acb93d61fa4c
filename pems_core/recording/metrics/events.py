"""What began and ended: alerts, and what people set."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from pems_core.domain import Alert, Override
from pems_core.recording.catalogue import EVENTS
from pems_core.recording.points import Point


def alert_points(site: str, at: datetime, begun: Sequence[Alert], over: Sequence[Alert]) -> Iterator[Point]:
    """Alerts that began and that ended."""
    for alert in begun:
        yield _event(site, alert.since, ("alert", str(alert.severity), alert.place), alert.text, None)
    for alert in over:
        held_s = (at - alert.since).total_seconds()
        yield _event(site, at, ("alert", str(alert.severity), alert.place), alert.text, held_s)


@dataclass
class OverrideEvents:
    """Tells what people set, when they do and when it ends."""

    site: str
    _known: dict[tuple[str, str], Override] = field(default_factory=dict)

    def points(self, at: datetime, overrides: Sequence[Override]) -> Iterator[Point]:
        """
        :param overrides: all that are in force now.
        """
        now = {(o.device, o.control): o for o in overrides}
        for key, override in now.items():
            if self._known.get(key) != override:
                yield _event(self.site, override.valid_from, _named(override), _said(override), None)
        for key, override in self._known.items():
            if key not in now:
                held_s = (at - override.valid_from).total_seconds()
                yield _event(self.site, at, _named(override), _said(override), held_s)
        self._known = now


def _named(override: Override) -> tuple[str, str, str]:
    return "override", "info", f"{override.device}.{override.control}"


def _said(override: Override) -> str:
    reason = f": {override.reason}" if override.reason else ""
    return f"{override.control} = {override.value} by {override.by}{reason}"


def _event(site: str, at: datetime, named: tuple[str, str, str], text: str, held_s: float | None) -> Point:
    kind, severity, place = named
    phase = "begun" if held_s is None else "over"
    return EVENTS.point(
        at,
        site,
        {"kind": kind, "severity": severity, "place": place or "PEMS", "phase": phase},
        {
            "title": f"{place or 'PEMS'}: {kind} {phase}",
            "text": text,
            "over": float(held_s is not None),
            "since_s": held_s,
        },
    )

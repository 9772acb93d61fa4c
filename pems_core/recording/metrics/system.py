"""How PEMS itself is doing."""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import psutil

from pems_core.domain import Alert, Quality, Severity
from pems_core.recording.catalogue import DATA_AGE, SYSTEM
from pems_core.recording.points import Point

from .moment import Moment

MB = 1e6


@dataclass
class SystemGauge:
    """Looks at the process of the engine and at the disk on which it keeps its state."""

    folder: Path
    _process: psutil.Process = field(default_factory=psutil.Process)
    _began_s: float = field(default_factory=monotonic)

    def __post_init__(self) -> None:
        # The first asking begins the interval over which the second one tells.
        self._process.cpu_percent()

    @property
    def disk_free_mb(self) -> float:
        return shutil.disk_usage(self.folder).free / MB

    def points(
        self,
        moment: Moment,
        faults: Sequence[str],
        alerts: Sequence[Alert],
        *,
        waiting: int = 0,
        loop_delay_s: float = 0.0,
    ) -> Iterator[Point]:
        """
        :param faults: parts of the loop that are not well.
        :param alerts: in force.
        :param waiting: points that the database has not taken yet.
        :param loop_delay_s: longest time that the engine's loop was late.
        """
        report = moment.report
        yield SYSTEM.point(
            moment.now,
            moment.site,
            {},
            {
                "uptime_s": monotonic() - self._began_s,
                "memory_mb": self._process.memory_info().rss / MB,
                "cpu_share": self._process.cpu_percent() / 100.0,
                "disk_free_mb": self.disk_free_mb,
                "healthy": float(not faults),
                "faults": float(len(faults)),
                "alerts_warning": float(sum(a.severity is Severity.WARNING for a in alerts)),
                "alerts_critical": float(sum(a.severity is Severity.CRITICAL for a in alerts)),
                "plan_age_s": (moment.now - report.plan.made_at).total_seconds() if report else None,
                "loop_delay_s": loop_delay_s,
                "points_waiting": float(waiting),
            },
        )


def data_age_points(moment: Moment) -> Iterator[Point]:
    """One point for each device; one that was never read since PEMS began may be lost all the same."""
    for name in moment.household.equipment:
        read = [r for point, r in moment.readings.points.items() if point.startswith(f"{name}/")]
        ages_s = [(moment.now - r.measured_at).total_seconds() for r in read]
        quantities_s = [age for age, r in zip(ages_s, read, strict=True) if r.unit]
        yield DATA_AGE.point(
            moment.now,
            moment.site,
            {"device": name},
            {
                "newest_s": max(0.0, min(ages_s)) if ages_s else None,
                "oldest_s": max(0.0, *quantities_s) if quantities_s else None,
                "doubtful": float(sum(r.quality is not Quality.GOOD for r in read)),
                "lost": float(name in moment.state.faults),
            },
        )

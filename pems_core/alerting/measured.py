"""What is wrong by the numbers: rooms, forecasts, savings, disk; each says what was found and what is allowed."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pems_core.domain import ComfortBand

DAY = timedelta(days=1)
COMPARED = 7 * DAY
LEAST_DAYS = 3
LEAST_ERRORS = 24
"""Of the last day: fewer tell nothing."""


def comfort_fault(temperature_c: float, band: ComfortBand, allowed_k: float, *, already: bool) -> str:
    """Why a room is not comfortable, or nothing.

    :param allowed_k: outside the band [K]; once it is told, half of that is needed to be right again.

    >>> comfort_fault(18.4, ComfortBand(21.0, 20.0, 22.0), 1.0, already=False)
    '18.4 °C, 1.6 K below the band; 1 K is allowed'
    """
    if not band.occupied:
        return ""
    allowed = allowed_k / 2 if already else allowed_k
    below_k, above_k = band.low_c - temperature_c, temperature_c - band.high_c
    outside_k, side = max((below_k, "below"), (above_k, "above"))
    if outside_k <= allowed:
        return ""
    return f"{temperature_c:.1f} °C, {outside_k:.1f} K {side} the band; {allowed_k:g} K is allowed"


def disk_fault(free_mb: float, least_mb: float, *, already: bool) -> str:
    """Why the disk is too full, or nothing; a fifth more must be free to be right again."""
    if free_mb >= least_mb * (1.2 if already else 1.0):
        return ""
    return f"{free_mb:.0f} MB are free; {least_mb:g} MB are needed"


def savings_fault(by_day: Sequence[float], least_share: float) -> str:
    """Why the savings of the last whole day are too small, or nothing.

    :param by_day: what whole days saved, the last one at the end [currency].

    >>> savings_fault([20.0, 22.0, 18.0, 4.0], 0.5)
    'yesterday saved 4.0, the 3 days before 20.0 a day; at least 0.5 of that is expected'
    """
    *before, last = by_day[-8:] if by_day else [0.0]
    if len(before) < LEAST_DAYS:
        return ""
    usual = sum(before) / len(before)
    if usual <= 0 or last >= least_share * usual:
        return ""
    return (
        f"yesterday saved {last:.1f}, the {len(before)} days before {usual:.1f} a day; "
        f"at least {least_share:g} of that is expected"
    )


@dataclass
class ErrorTrend:
    """Remembers a week of forecast errors, and compares the last day with it.

    :param factor: so many times the mean error of the days before is too much.
    """

    factor: float
    _errors: dict[str, deque[tuple[datetime, float]]] = field(default_factory=dict)

    def note(self, at: datetime, errors: Iterable[tuple[str, float]]) -> None:
        """
        :param errors: absolute errors of one quarter hour, by series.
        """
        for series, error in errors:
            known = self._errors.setdefault(series, deque())
            known.append((at, error))
            while known and at - known[0][0] > DAY + COMPARED:
                known.popleft()

    def faults(self, now: datetime) -> dict[str, str]:
        """Why the forecast of a series is worse than it was, by series; nothing for one that is not."""
        return {series: self._fault(known, now) for series, known in self._errors.items()}

    def _fault(self, known: Iterable[tuple[datetime, float]], now: datetime) -> str:
        errors = list(known)
        late = [error for at, error in errors if now - at < DAY]
        before = [error for at, error in errors if now - at >= DAY]
        if len(late) < LEAST_ERRORS or not before or now - errors[0][0] < (1 + LEAST_DAYS) * DAY:
            return ""
        usual, found = sum(before) / len(before), sum(late) / len(late)
        if usual <= 0 or found <= self.factor * usual:
            return ""
        return f"mean error {found:.2f} in the last day, {usual:.2f} before; {self.factor:g} times as much is allowed"

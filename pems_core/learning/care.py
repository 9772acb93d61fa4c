"""What becomes of the versions of a forecasting model, by what they foresaw and what happened.

A new version foresees in shadow, then is used on some days, and is taken into use if it is better with evidence than
who was used until then. One that is in use goes back to the version before if that is better with evidence. One that
is clearly worse than it promised, and worse than the fallback, is not used any longer, and is learned anew.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pandas as pd

from .evidence import LEAST_DAYS
from .monitor import FALLBACK, Judged, judged, stored_as, who_of
from .registry import Health, ModelRegistry, Stage, Tried, Version

BY, TRAINING = "monitor", "training"
MACHINES = (BY, TRAINING)
LOOK_BACK = timedelta(days=35)
"""Older forecasts are not judged."""
WATCHED_DAYS = 28
"""For so long a version that came into use may go back to the one before by itself."""
RECENT_DAYS = 8
"""Whether a version is degraded is seen on its last days: good ones before a change would hide it for weeks."""
LEAST_ANSWERS = 0.9

Vintages = Callable[[str, datetime, datetime], pd.DataFrame]
"""Stored forecasts of a series for steps that begin in a time, as `Ledger.vintages` gives them."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a new version is tried, and when one in use is no longer good."""

    shadow_days: int = 7
    trial_days: int = 14
    degraded_factor: float = 1.15
    """Of its own error on days that it was not learned from."""


def review(
    model: str,
    series: str,
    registry: ModelRegistry,
    vintages: Vintages,
    measured: "pd.Series[float]",
    now: datetime,
    timezone: str,
    terms: Terms | None = None,
) -> Health:
    """Judge the versions of a model by one of its series, and bring each to the stage that it has earned.

    Only whole days that are over count, so that asking again changes nothing.

    :param measured: the series in quarter hours.
    """
    one = _Review(model, registry, now, timezone, terms or Terms())
    today = pd.Timestamp(now.astimezone(ZoneInfo(timezone)).date(), tz=timezone).tz_convert("UTC")
    until = min(now, today.to_pydatetime())
    if any(use.at > now for use in registry.story(model)):
        # A clock that was set back: what is known now was decided later.
        return Health(now, "", False, {})
    names = [who_of(version.number) for version in one.versions] + [FALLBACK]
    stored = {who: vintages(stored_as(series, who, model), until - LOOK_BACK, until) for who in names}
    one.judged = judged(stored, measured[measured.index < today], timezone)
    health = one.run()
    registry.examined(model, health)
    return health


class _Review:
    def __init__(self, model: str, registry: ModelRegistry, now: datetime, timezone: str, terms: Terms) -> None:
        self.model, self.registry, self.now, self.timezone, self.terms = model, registry, now, timezone, terms
        self.judged = Judged({})
        self.used = registry.in_use(model)
        self.before = registry.before(model)
        self.tried = registry.tried(model)

    @property
    def versions(self) -> Sequence[Version]:
        tried = None if self.tried is None else self.tried.version
        return [version for version in (self.used, self.before, tried) if version is not None]

    def run(self) -> Health:
        errors = {who: self.judged.by_lead(who) for who in self.judged.errors}
        rolled_back = "" if self.used is None else self._of_the_used(self.used)
        if self.tried is not None and self.registry.in_use(self.model) == self.used:
            self._of_the_tried(self.tried)
        none = self._why_none()
        return Health(self.now, none or rolled_back, bool(none) and self._none_since_learned(), errors)

    def _why_none(self) -> str:
        """Why no version is in use, if one was that could not stay; empty if that was a person's choice."""
        uses = self.registry.uses(self.model)
        return uses[-1].why if uses and uses[-1].number is None and uses[-1].by in MACHINES else ""

    def _none_since_learned(self) -> bool:
        """Whether nothing was learned since a version went out of use."""
        uses, versions = self.registry.uses(self.model), self.registry.versions(self.model)
        return bool(uses) and not any(version.made_at >= uses[-1].at for version in versions)

    def _of_the_used(self, used: Version) -> str:
        """What was wrong with the version in use, which then is not in use any longer."""
        since = self._since(used)
        if self.before is not None:
            back = self.judged.compared(who_of(self.before.number), who_of(used.number), since)
            if back.surely_better and self._age(since) <= WATCHED_DAYS:
                why = f"version {used.number} is worse than version {self.before.number}, which it replaced: {back}"
                self.registry.use(self.model, self.before.number, self.now, BY, f"rolled back: {why}")
                return why
        return self._degraded(used, since)

    def _degraded(self, used: Version, since: pd.Timestamp) -> str:
        promised = promised_error(used)
        recent = max(since, self._day(self.now - timedelta(days=RECENT_DAYS + 1)))
        found = self.judged.compared(FALLBACK, who_of(used.number), recent)
        as_promised = promised is not None and found.others <= self.terms.degraded_factor * promised[1]
        if as_promised or not found.surely_better:
            return ""
        told = "" if promised is None else f"its {promised[0]} is {found.others:.3g}, it promised {promised[1]:.3g}; "
        why = f"version {used.number} is degraded: {told}the fallback is better: {found}"
        self.registry.use(self.model, None, self.now, BY, f"{why}; the fallback answers, and it is learned anew")
        return why

    def _of_the_tried(self, tried: Tried) -> None:
        number, rival = tried.version.number, FALLBACK if self.used is None else who_of(self.used.number)
        mine = who_of(number)
        since = self._day(tried.in_shadow_since)
        found = self.judged.compared(mine, rival, since)
        worse = self.judged.compared(rival, mine, since)
        # By the days of the other: one that hardly answers has none, and nothing is learned while it is tried.
        if self.judged.days(rival, since) < LEAST_DAYS:
            return
        answered = self.judged.answered(mine, rival, since)
        if answered < LEAST_ANSWERS:
            self._tell(number, Stage.SET_ASIDE, f"it answered {answered:.0%} of the times that {rival} did")
        elif found.days < LEAST_DAYS:
            return
        elif worse.surely_better:
            self._tell(number, Stage.SET_ASIDE, f"it is worse than {rival}: {found}")
        elif tried.stage is Stage.SHADOW and found.days >= self.terms.shadow_days:
            self._tell(number, Stage.TRIAL, f"it did as well as {rival} in shadow: {found}")
        elif tried.stage is Stage.TRIAL and self._days_of_trial(tried, mine, rival) >= self.terms.trial_days:
            if found.better:
                self.registry.use(self.model, number, self.now, BY, f"it is better than {rival}: {found}")
            else:
                self._tell(number, Stage.SET_ASIDE, f"there is no evidence that it is better than {rival}: {found}")

    def _days_of_trial(self, tried: Tried, mine: str, rival: str) -> int:
        return self.judged.compared(mine, rival, self._day(tried.since)).days

    def _tell(self, number: int, stage: Stage, why: str) -> None:
        self.registry.tell(self.model, number, stage, self.now, BY, why)

    def _since(self, version: Version) -> pd.Timestamp:
        """The day on which the version in use was taken into use."""
        uses = self.registry.uses(self.model)
        at = version.made_at
        for use in reversed(uses):
            if use.number != version.number:
                break
            at = use.at
        return self._day(at)

    def _age(self, since: pd.Timestamp) -> int:
        return (self._day(self.now) - since).days

    def _day(self, at: datetime) -> pd.Timestamp:
        return pd.Timestamp(at.astimezone(ZoneInfo(self.timezone)).date())


def promised_error(version: Version) -> tuple[str, float] | None:
    """The error that a version had on days that it was not learned from, with its name; None if it names none."""
    return next(((n, e) for n, e in sorted(version.metrics.items()) if n.startswith("mae_") and " " not in n), None)


def turn(model: str, day: datetime, share: float) -> bool:
    """Whether the version on trial is used on a local day: evenly spread, the same for whoever asks.

    Multiples of the golden ratio fall evenly between 0 and 1, and in no step with weeks.

    :param day: an instant in local time.
    """
    offset = sum(model.encode()) / 255
    return (day.date().toordinal() * 0.6180339887498949 + offset) % 1.0 < share

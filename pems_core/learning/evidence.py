"""When one forecast is held to be better than another: days are paired, and chance has to be unlikely."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .network import Array

LEAST_DAYS = 7
"""Fewer days decide nothing."""
LEAST_GAIN = 0.05
"""Whose error falls by less is as well off with what he has."""
CHANCE = 0.05
"""For what is asked once."""
CHANCE_DAILY = 0.01
"""For what is asked every day: chance gets many tries then."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Errors of two on the same days."""

    days: int
    mine: float
    """Mean error, in the unit of what is foreseen."""
    others: float
    chance: float
    """That days as good as these for the first come about if both are equally good: Wilcoxon's signed rank test,
    one-sided, on the differences by day. 1 if there are too few days."""

    @property
    def better(self) -> bool:
        """Whether the first is better with evidence."""
        return self.days >= LEAST_DAYS and self.mine < self.others and self.chance <= CHANCE

    @property
    def wins(self) -> bool:
        """Whether it is better with evidence, and by so much that it is worth a change."""
        return self.better and self.gain >= LEAST_GAIN

    @property
    def surely_better(self) -> bool:
        """Whether it is better with evidence that holds although it is asked every day."""
        return self.better and self.chance <= CHANCE_DAILY

    @property
    def gain(self) -> float:
        """By which share the error of the first is smaller; negative if it is larger."""
        return 1 - self.mine / self.others if self.others > 0 else 0.0

    def __str__(self) -> str:
        return f"{self.mine:.3g} against {self.others:.3g} on {self.days} days, by chance with {self.chance:.2g}"


def compared(mine: Sequence[float], others: Sequence[float]) -> Compared:
    """Compare errors by day; a day that one of the two lacks is left out."""
    pairs = np.array([mine, others], dtype=np.float64)
    pairs = pairs[:, np.isfinite(pairs).all(axis=0)]
    days = pairs.shape[1]
    if not days:
        return Compared(0, float("nan"), float("nan"), 1.0)
    chance = _chance(pairs[0] - pairs[1]) if days >= LEAST_DAYS else 1.0
    return Compared(days, float(pairs[0].mean()), float(pairs[1].mean()), chance)


def _chance(off: Array) -> float:
    if not off.any():
        return 1.0
    # It takes a while to load, and most who start PEMS compare nothing.
    from scipy.stats import wilcoxon

    return float(wilcoxon(off, alternative="less").pvalue)

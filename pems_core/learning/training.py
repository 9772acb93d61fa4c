"""Learns anew from what was measured, and takes into use what is better."""

import resource
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pems_core.domain import History, Learned, PemsError
from pems_core.protocols import Learner

from .registry import BrokenModel, ModelRegistry, Version

MOST_MEMORY = 3 << 30
"""Of a process that learns [bytes of addresses]: LightGBM and its libraries map far more than they use."""
BY = "training"
MUCH_WORSE = 1.15
"""A new version is not taken into use by itself if its error is so many times that of the one in use."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one model."""

    model: str
    version: Version | None
    said: str


def bound_memory(most: int = MOST_MEMORY) -> None:
    """Let this process fail rather than take the memory of the engine beside it."""
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def train(
    learners: Sequence[Learner],
    history: History,
    registry: ModelRegistry,
    now: datetime,
    told: Callable[[str], object] = lambda _: None,
) -> Sequence[Outcome]:
    """Learn each model; one that cannot be learned leaves the version before in use.

    :param told: hears the name of each model before it is learned.
    """
    outcomes = []
    for learner in learners:
        told(learner.model)
        try:
            outcomes.append(_one(learner, history, registry, now))
        except PemsError as fault:
            outcomes.append(Outcome(learner.model, None, f"not learned: {fault}"))
        except (MemoryError, ValueError, ArithmeticError) as fault:
            outcomes.append(Outcome(learner.model, None, f"not learned: {type(fault).__name__}: {fault}"))
    return outcomes


def _one(learner: Learner, history: History, registry: ModelRegistry, now: datetime) -> Outcome:
    learned = learner.learn(history)
    before = registry.in_use(learner.model)
    version = registry.add(learner.model, learned, now)
    worse = before is not None and _much_worse(learned, before)
    if worse:
        return Outcome(learner.model, version, f"version {version.number} is kept but not used: {worse}")
    registry.use(learner.model, version.number, now, BY, "learned anew")
    return Outcome(learner.model, version, f"version {version.number} is in use")


def _much_worse(learned: Learned, before: Version) -> str:
    """By which figure a new version is far behind the one in use; empty if by none."""
    for name in sorted(set(learned.metrics) & set(before.metrics)):
        if before.metrics[name] > 0 and learned.metrics[name] > MUCH_WORSE * before.metrics[name]:
            was = f"that of version {before.number} was {before.metrics[name]:.3g}"
            return f"{name} is {learned.metrics[name]:.3g}, {was}"
    return ""


def adopt(learners: Sequence[Learner], registry: ModelRegistry) -> Sequence[str]:
    """Hand each learner the version in use; what is wrong, in a line a model: then it does without."""
    faults = []
    for learner in learners:
        try:
            version = registry.in_use(learner.model)
            learner.adopt(None if version is None else registry.content(version))
        except BrokenModel as fault:
            learner.adopt(None)
            faults.append(f"{learner.model}: {fault}")
        except (PemsError, KeyError, TypeError, ValueError) as fault:
            learner.adopt(None)
            faults.append(f"{learner.model}: {type(fault).__name__}: {fault}")
    return faults

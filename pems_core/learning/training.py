"""Learns anew from what was measured; what was learned has to prove itself before it is used."""

import resource
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta

from pems_core.domain import History, OutdatedModel, PemsError
from pems_core.protocols import Learner

from .care import TRAINING as BY
from .registry import BrokenModel, ModelRegistry, Stage, Version
from .versioned import Versioned

MOST_MEMORY = 3 << 30
"""Of a process that learns [bytes of addresses]: LightGBM and its libraries map far more than they use."""


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
    """Learn each model, and let the new version foresee in shadow; one that cannot be learned leaves all as it is.

    :param told: hears the name of each model before it is learned.
    """
    outcomes = []
    for learner in learners:
        told(learner.model)
        try:
            outcomes.append(_one(learner, history, registry, now))
        except PemsError as fault:
            outcomes.append(Outcome(learner.model, None, f"not learned: {fault}"))
        except Exception as fault:  # noqa: BLE001 - a defect of one learner costs its model, not the others'
            outcomes.append(Outcome(learner.model, None, f"not learned: {type(fault).__name__}: {fault}"))
    return outcomes


def _one(learner: Learner, history: History, registry: ModelRegistry, now: datetime) -> Outcome:
    learned = learner.learn(history)
    version = registry.add(learner.model, learned, now)
    tried = registry.tried(learner.model)
    if tried is not None:
        replaced = f"version {version.number} was learned since, and takes its place"
        registry.tell(learner.model, tried.version.number, Stage.SET_ASIDE, now, BY, replaced)
    registry.tell(learner.model, version.number, Stage.SHADOW, now, BY, "learned anew")
    return Outcome(learner.model, version, f"version {version.number} foresees in shadow until it has proved itself")


def why_learn(learner: Learner, registry: ModelRegistry, now: datetime, every: timedelta) -> str:
    """Why a model is to be learned anew; empty if it is not.

    A version whose file is broken, or that older code learned, is set aside on the way, and told.
    """
    model = learner.model
    broken = _broken(learner, registry, now)
    if broken:
        return broken
    health = registry.health(model)
    if registry.tried(model) is not None:
        return ""
    if health is not None and health.learn_anew:
        return health.fault
    versions = registry.versions(model)
    if not versions:
        return "it was never learned"
    age = now - versions[-1].made_at
    return f"it was learned {age.days} days ago" if age >= every else ""


def _broken(learner: Learner, registry: ModelRegistry, now: datetime) -> str:
    found, model = "", learner.model
    used, tried = registry.in_use(model), registry.tried(model)
    if tried is not None and (fault := _fault(learner, tried.version, registry)):
        registry.tell(model, tried.version.number, Stage.SET_ASIDE, now, BY, fault)
        found = fault
    if used is not None and (fault := _fault(learner, used, registry)):
        registry.use(model, None, now, BY, f"{fault}; the fallback answers, and it is learned anew")
        found = fault
    return found


def _fault(learner: Learner, version: Version, registry: ModelRegistry) -> str:
    try:
        copy(learner).adopt(registry.content(version))
    except (BrokenModel, OutdatedModel) as fault:
        return str(fault)
    except PemsError:
        # A library that is missing comes back; it is told where the version is used.
        return ""
    except (AttributeError, LookupError, TypeError, ValueError) as other:
        return f"version {version.number} has another shape than this code reads ({type(other).__name__}: {other})"
    return ""


def adopt(learners: Sequence[Learner], registry: ModelRegistry) -> Sequence[str]:
    """Hand each learner the version in use; what is wrong, in a line each: then it does without."""
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


def follow(learners: Sequence[Versioned], registry: ModelRegistry) -> Sequence[str]:
    """Hand each learner all its versions, as far as each is trusted; what is wrong, in a line each."""
    faults: list[str] = []
    for learner in learners:
        try:
            faults += learner.follow(registry)
        except PemsError as fault:
            learner.used = learner.tried = learner.before = None
            faults.append(f"{learner.model}: {fault}")
    return faults

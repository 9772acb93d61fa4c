"""What a house's history tells of a device, in versions, and behind a guard: planned with only where it wins."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import pandas as pd

from pems_core.domain import BadSeries, Equipment, Learned, PemsError

from .evidence import Compared, compared
from .registry import BrokenModel, Health, ModelRegistry, Stage, Version

BY = "identification"
RECHECK = "daily check"

S = TypeVar("S", bound=Equipment)
M = TypeVar("M")

Telemetry = Callable[[Sequence[str], datetime, datetime], pd.DataFrame]
"""What was measured of some series in a time, as `Ledger.telemetry` gives it."""


class OtherHouse(PemsError):
    """A version was identified against another house file."""


@dataclass(frozen=True)
class Found:
    """What was identified.

    :param kept: what stays as the house file says, and why.
    """

    learned: Learned
    against_file: Compared
    against_used: Compared | None
    won: bool
    said: str
    kept: Sequence[str]


class DeviceModel(Protocol):
    """A device whose physical numbers are identified."""

    @property
    def model(self) -> str: ...

    @property
    def device(self) -> str: ...

    @property
    def days(self) -> float:
        """How far back it looks."""

    def measured(self, telemetry: Telemetry, since: datetime, until: datetime) -> Any:
        """What it is identified from.

        :raises BadSeries: if something that is needed was not measured.
        """

    def identify(self, measured: Any, used: Mapping[str, Any] | None) -> Found:
        """Identify it from all but the last days, and compare on these.

        :param used: content of the version in use.
        :raises BadSeries: if too little was measured.
        """

    def recheck(self, content: Mapping[str, Any], measured: Any) -> Compared:
        """The house file against a version on the last days: the first is the house file."""

    def equipped(self, content: Mapping[str, Any]) -> Equipment:
        """The device with the numbers of a version.

        :raises OtherHouse: if the house file has other numbers than when it was identified.
        """


def tend(model: DeviceModel, registry: ModelRegistry, telemetry: Telemetry, now: datetime) -> str:
    """Look whether the version in use still wins, and identify the device anew; what came of it.

    A version goes out of use if the house file foresaw the last days better with evidence, and a new one comes into
    use if it foresees days that it has not seen better with evidence than the house file and the version in use.
    """
    if any(use.at >= now for use in registry.story(model.model)):
        return "nothing: the clock has not moved on since it was looked at last"
    try:
        measured = model.measured(telemetry, now - timedelta(days=model.days), now)
        fault = _checked(model, registry, measured, now)
        found = model.identify(measured, _content_in_use(model, registry))
    except BadSeries as short:
        registry.examined(model.model, Health(now, "", False, {}))
        return f"not identified: {short}"
    said = _taken(model, registry, found, now)
    errors = {"identified": {"24 h": found.against_file.mine}, "house file": {"24 h": found.against_file.others}}
    registry.examined(model.model, Health(now, fault, False, errors))
    return said


@dataclass(frozen=True)
class OfHouseFile(ABC, Generic[S, M]):
    """What models of devices have in common: a version stands against what the house file says of the device.

    :param configured: as the house file has it.
    """

    device: str
    configured: S
    timezone: str
    what: ClassVar[str]
    """The last word of the model's name."""

    @property
    def model(self) -> str:
        return f"{self.device}_{self.what}"

    @abstractmethod
    def numbers_of_file(self) -> Mapping[str, Any]:
        """What the house file says, in plain data."""

    @abstractmethod
    def with_numbers(self, numbers: Mapping[str, Any]) -> S:
        """The device with other numbers than the house file's."""

    @abstractmethod
    def errors(self, spec: S, measured: M) -> list[float]:
        """How wrong the last days are foreseen with some numbers, by day."""

    def against_used(self, spec: S, used: Mapping[str, Any] | None, measured: M) -> Compared | None:
        """Numbers against those of the version in use; None if none is."""
        if used is None:
            return None
        return compared(self.errors(spec, measured), self.errors(self.equipped(used), measured))

    def recheck(self, content: Mapping[str, Any], measured: M) -> Compared:
        """See `DeviceModel.recheck`."""
        return compared(self.errors(self.configured, measured), self.errors(self.equipped(content), measured))

    def equipped(self, content: Mapping[str, Any]) -> S:
        """See `DeviceModel.equipped`."""
        if content["configured"] != self.numbers_of_file():
            raise OtherHouse(
                f"{self.model}: the house file has other numbers, or another device, than when it was identified"
            )
        return self.with_numbers(content["numbers"])


@dataclass(frozen=True)
class InForce:
    """Where the physical numbers of a device come from.

    :param version: None: they are those of the house file.
    :param equipment: the device with the version's numbers.
    :param fault: why a version that is in use is done without.
    """

    model: DeviceModel
    version: Version | None = None
    equipment: Equipment | None = None
    fault: str = ""


def in_force(models: Sequence[DeviceModel], registry: ModelRegistry) -> Sequence[InForce]:
    """By which numbers each device is planned; a version that cannot be used is done without."""
    found = []
    for model in models:
        try:
            used = in_use(model, registry)
        except (PemsError, KeyError, TypeError, ValueError) as fault:
            found.append(InForce(model, fault=f"{model.model}: {fault}"))
        else:
            found.append(InForce(model, *used) if used is not None else InForce(model))
    return found


def in_use(model: DeviceModel, registry: ModelRegistry) -> tuple[Version, Equipment] | None:
    """The version in use and the device with its numbers; None if the house file holds.

    :raises PemsError: if the version cannot be used.
    """
    version = registry.in_use(model.model)
    return None if version is None else (version, model.equipped(registry.content(version)))


def _checked(model: DeviceModel, registry: ModelRegistry, measured: Any, now: datetime) -> str:
    """Take the version in use out of use if it does not win any longer; why."""
    version = registry.in_use(model.model)
    if version is None:
        return ""
    try:
        content = registry.content(version)
        model.equipped(content)
    except (BrokenModel, OtherHouse) as fault:
        registry.use(model.model, None, now, RECHECK, str(fault))
        return str(fault)
    found = model.recheck(content, measured)
    if not found.surely_better:
        return ""
    why = f"the house file foresaw the last days better: {found}"
    registry.use(model.model, None, now, RECHECK, why)
    return why


def _content_in_use(model: DeviceModel, registry: ModelRegistry) -> Mapping[str, Any] | None:
    version = registry.in_use(model.model)
    return None if version is None else registry.content(version)


def _taken(model: DeviceModel, registry: ModelRegistry, found: Found, now: datetime) -> str:
    if not found.won:
        last = registry.story(model.model)[-1:]
        # Every night anew, so that it is told once and not again until something else happens.
        if not last or last[0].stage is not Stage.NOTED:
            registry.tell(model.model, None, Stage.NOTED, now, BY, found.said)
        return found.said
    version = registry.add(model.model, found.learned, now)
    registry.use(model.model, version.number, now, BY, found.said)
    return f"version {version.number} is in use: {found.said}"

"""How far each device is trusted to PEMS, and the evidence for trusting it further."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from pems_core.clock import Clock
from pems_core.config import Stage as Trust
from pems_core.config import StagesSection
from pems_core.domain import Receipt, Stage

from .store import Store

KIND, EVIDENCE = "stage", "evidence"
PROVEN = (Stage.READBACK_OK, Stage.EFFECT_OK)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What became of a device's commands since it has its stage."""

    since: datetime | None
    """None: the stage of the house file, since the counts began."""
    by_stage: Mapping[str, int]

    @property
    def verified(self) -> int:
        """Commands that were read back or seen to work."""
        return sum(self.by_stage.get(stage, 0) for stage in PROVEN)

    @property
    def failed(self) -> int:
        return sum(count for stage, count in self.by_stage.items() if Stage(stage).failed)


class Stages:
    """Stages of the house file, which a person's command can change; a later change of the house file wins again."""

    def __init__(self, section: StagesSection, store: Store, clock: Clock) -> None:
        self._section = section
        self._store = store
        self._clock = clock

    def of(self, device: str) -> Trust:
        configured = self._section.of(device)
        promoted = self._store.kept(KIND).get(device)
        if promoted is None or promoted["instead_of"] != configured:
            return configured
        stage: Trust = promoted["stage"]
        return stage

    def allowed(self, device: str) -> frozenset[str] | None:
        """The controls that PEMS may use; None: all."""
        stage = self.of(device)
        if stage == "control":
            return None
        return frozenset(self._section.allow.get(device, ())) if stage == "limited" else frozenset()

    def promote(self, device: str, stage: Trust, by: str) -> None:
        """Trust a device further, or less, by a person's command."""
        since = self._clock.now().isoformat()
        self._store.keep(
            KIND, device, {"stage": stage, "by": by, "since": since, "instead_of": self._section.of(device)}
        )

    def collect(self, receipts: Sequence[Receipt]) -> None:
        """Take what became of commands as evidence."""
        for receipt in receipts:
            self._store.count(EVIDENCE, receipt.command.device, [str(receipt.stage)], lasting=False)

    def evidence(self, device: str) -> Evidence:
        """What became of the device's commands since the day on which it got its stage."""
        promoted = self._store.kept(KIND).get(device)
        since = None if promoted is None else datetime.fromisoformat(promoted["since"])
        first = date.min if since is None else since.date()
        return Evidence(since, self._store.counts_since(EVIDENCE, device, first))

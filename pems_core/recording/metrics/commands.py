"""What became of each command, and how soon."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from pems_core.domain import Command, Equipment, HeatingSpec, HybridInverterSpec, Receipt, Stage
from pems_core.recording.catalogue import COMMANDS
from pems_core.recording.points import Point

from .moment import Household

MOST_KNOWN = 2000
"""Commands whose further stages are waited for."""
CODES = {Stage.SENT: 1, Stage.ACKED: 2, Stage.READBACK_OK: 3, Stage.EFFECT_OK: 4}
EXPORT_CONTROLS = ("grid_export", "export_limit_kw")


@dataclass
class CommandTimes:
    """Makes a point of each command, and makes it anew when the command comes further."""

    household: Household
    _queued: dict[str, datetime] = field(default_factory=dict)
    _answered_s: dict[str, float] = field(default_factory=dict)

    def points(self, receipts: Iterable[Receipt]) -> Iterator[Point]:
        """What the stages that commands reached say of them, in their order."""
        for receipt in receipts:
            if receipt.stage is Stage.QUEUED:
                self._remember(receipt)
            elif receipt.stage is not Stage.SUPERSEDED and receipt.command.id in self._queued:
                # What something newer was wished for neither succeeded nor failed.
                yield self._point(receipt, self._queued[receipt.command.id])

    def _remember(self, receipt: Receipt) -> None:
        self._queued[receipt.command.id] = receipt.at
        if len(self._queued) > MOST_KNOWN:
            oldest = next(iter(self._queued))
            del self._queued[oldest]
            self._answered_s.pop(oldest, None)

    def _point(self, receipt: Receipt, queued: datetime) -> Point:
        command, code = receipt.command, CODES.get(receipt.stage, 0)
        if code:
            self._answered_s.setdefault(command.id, (receipt.at - queued).total_seconds())
        return COMMANDS.point(
            queued,
            self.household.site,
            {"device": command.device, "control": command.control, "kind": self._kind(command)},
            {
                "action": f"{command.address} {command.payload}".strip(),
                "success": float(code > 1) if code != 1 else None,
                "response_s": self._answered_s.get(command.id),
                "stage": str(receipt.stage),
                "stage_code": code,
                "reason": command.reason or None,
            },
        )

    def _kind(self, command: Command) -> str:
        return kind_of(self.household.equipment.get(command.device), command.control)


def kind_of(equipment: Equipment | None, control: str) -> str:
    """What a control is about: heating, battery, export or other."""
    if isinstance(equipment, HeatingSpec):
        return "heating"
    if isinstance(equipment, HybridInverterSpec):
        return "export" if control in EXPORT_CONTROLS else "battery"
    return "other"

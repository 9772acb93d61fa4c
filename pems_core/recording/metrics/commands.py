"""What became of each command, and how soon."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from pems_core.domain import Command, Equipment, HeatingSpec, HybridInverterSpec, Receipt, Stage, floor_time
from pems_core.recording.catalogue import COMMANDS
from pems_core.recording.points import MILLISECOND, Point

from .moment import Household

MOST_KNOWN = 2000
"""Commands whose further stages are waited for."""
CODES = {Stage.SENT: 1, Stage.ACKED: 2, Stage.READBACK_OK: 3, Stage.EFFECT_OK: 4}
Place = tuple[str, str, datetime]
"""Of a point: device, control, and a time in whole milliseconds."""
EXPORT_CONTROLS = ("grid_export", "export_limit_kw")


@dataclass
class CommandTimes:
    """Makes a point of each command, and makes it anew when the command comes further."""

    household: Household
    _queued: dict[str, tuple[datetime, Place]] = field(default_factory=dict)
    _taken: set[Place] = field(default_factory=set)
    _answered_s: dict[str, float] = field(default_factory=dict)

    def points(self, receipts: Iterable[Receipt]) -> Iterator[Point]:
        """What the stages that commands reached say of them, in their order."""
        for receipt in receipts:
            if receipt.stage is Stage.QUEUED:
                self._remember(receipt)
            elif receipt.stage is not Stage.SUPERSEDED and receipt.command.id in self._queued:
                # What something newer was wished for neither succeeded nor failed.
                yield self._point(receipt, *self._queued[receipt.command.id])

    def _remember(self, receipt: Receipt) -> None:
        self._forget(receipt.command.id)
        self._queued[receipt.command.id] = receipt.at, self._place(receipt)
        if len(self._queued) > MOST_KNOWN:
            self._forget(next(iter(self._queued)))

    def _forget(self, command: str) -> None:
        if command in self._queued:
            self._taken.discard(self._queued.pop(command)[1])
            self._answered_s.pop(command, None)

    def _place(self, receipt: Receipt) -> Place:
        """A place of its own: a mode is told in several commands at once, of which only the last would be left."""
        command, at = receipt.command, floor_time(receipt.at, MILLISECOND)
        while (place := (command.device, command.control, at)) in self._taken:
            at += MILLISECOND
        self._taken.add(place)
        return place

    def _point(self, receipt: Receipt, queued: datetime, place: Place) -> Point:
        command, code = receipt.command, CODES.get(receipt.stage, 0)
        if code > CODES[Stage.SENT]:
            # That it has gone out is no answer.
            self._answered_s.setdefault(command.id, (receipt.at - queued).total_seconds())
        return COMMANDS.point(
            place[2],
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

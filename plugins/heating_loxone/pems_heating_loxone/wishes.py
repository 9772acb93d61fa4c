"""What the Miniserver was told last, and what became of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pems_core.domain import Command, Receipt, Stage

from .encoding import RELAY, Wish, said_to
from .image import MAX_AGE, Image

SAME_WITHIN_K = 0.25


@dataclass(slots=True)
class Told:
    """One wish."""

    command: Command
    at: datetime
    confirmed: bool = False
    """The Miniserver has shown that it follows."""


class Wishes:
    """The newest wish for each control; nothing older is ever said again."""

    def __init__(
        self,
        image: Image,
        wish: Callable[[Command], Wish],
        relay_settles: Mapping[str, timedelta],
        setpoint_settles: timedelta,
    ) -> None:
        """
        :param wish: what a command wants, in the words of this way.
        :param relay_settles: by room: how long its relay may take to follow, for its minimum times (trap 85).
        :param setpoint_settles: how long a target may take to be shown.
        """
        self._image = image
        self._relay_settles = relay_settles
        self._setpoint_settles = setpoint_settles
        self._wish = wish
        self._told: dict[str, Told] = {}

    def refused(self, command: Command, now: datetime) -> Receipt | None:
        """Why a command is not to be carried out; a hand-back always is."""
        if command.releases:
            return None
        if command.expires_at <= now:
            return Receipt(command, Stage.EXPIRED, now, f"ended at {command.expires_at:%H:%M:%S} UTC")
        room, _ = said_to(command)
        if doubt := self._image.rooms[room].unreliable(now):
            return Receipt(command, Stage.REJECTED, now, f"{room} is left to its own thermostat: {doubt}")
        if (hold := self._image.held_by(room, now)) and self._wish(command) is not None:
            return Receipt(command, Stage.REJECTED, now, f"{room} is held by {hold}")
        return None

    def already(self, command: Command, now: datetime) -> bool:
        """Whether the same was told, was confirmed, and is still so; then this command takes the place of that one."""
        told = self._same(command)
        if told is None or not told.confirmed:
            return False
        if self._image.ok is False or self._follows(command, told.at, now) is not True:
            return False
        told.command = command
        return True

    def sent(self, command: Command, now: datetime) -> None:
        """A command has gone out."""
        self._told[command.control] = Told(command, now)

    def forget(self) -> None:
        """Nothing that was confirmed is sure any more: the Miniserver was away."""
        for told in self._told.values():
            told.confirmed = False

    def in_force(self, now: datetime) -> Sequence[Command]:
        """What still holds, in the order in which it was first said; what has ended is left out."""
        return [told.command for told in self._told.values() if told.command.expires_at > now]

    def ended(self, now: datetime) -> Sequence[Command]:
        return [told.command for told in self._told.values() if told.command.expires_at <= now]

    def of(self, room: str, now: datetime) -> Sequence[Command]:
        """What PEMS wants of a room now; hand-backs are no wishes."""
        return [c for c in self.in_force(now) if said_to(c)[0] == room and self._wish(c) is not None]

    def judge(self, command: Command, now: datetime) -> Receipt:
        """See `Transport.check`; `no_effect` for what never took effect though nothing explains it."""
        if self._wish(command) is None:
            return Receipt(command, Stage.SENT, now, "handed back; nobody can say more")
        mine = self._same(command)
        follows = self._follows(command, mine.at if mine else None, now)
        if follows is None:
            return Receipt(command, Stage.SENT, now, "no fresh feedback")
        if follows:
            if mine:
                mine.confirmed = True
            return Receipt(command, Stage.READBACK_OK, now, "the Miniserver shows it")
        return self._excuse(command, mine, now)

    def _same(self, command: Command) -> Told | None:
        """What was told last, if it is the same wish."""
        told = self._told.get(command.control)
        return told if told is not None and self._wish(told.command) == self._wish(command) else None

    def _excuse(self, command: Command, mine: Told | None, now: datetime) -> Receipt:
        """The Miniserver shows something else: for a good reason, or not."""
        room, what = said_to(command)
        if hold := self._image.held_by(room, now):
            return Receipt(command, Stage.SENT, now, f"held by {hold}")
        if self._image.ok is False:
            return Receipt(command, Stage.SENT, now, "PEMS_OK is 0: the room is under local control")
        if mine is None:
            return Receipt(command, Stage.SENT, now, "not what was told last")
        if mine.confirmed:
            return Receipt(command, Stage.REVERTED, now, "the Miniserver showed it and then something else")
        settles = self._relay_settles[room] if what == RELAY else self._setpoint_settles
        if now - mine.at <= settles:
            return Receipt(command, Stage.SENT, now, "pending: the Miniserver may hold it back for its minimum times")
        return Receipt(command, Stage.NO_EFFECT, now, f"not followed within {settles}")

    def _follows(self, command: Command, since: datetime | None, now: datetime) -> bool | None:
        """Whether the Miniserver shows what a command wants; None if nothing fresh was heard since."""
        room, what = said_to(command)
        seen = self._image.told(room, "relay" if what == RELAY else "target")
        wish = self._wish(command)
        if seen is None or wish is None or now - seen.measured_at > MAX_AGE:
            return None
        if since is not None and seen.measured_at <= since:
            return None
        if isinstance(wish, bool):
            return seen.value is wish
        return abs(float(seen.value) - wish) < SAME_WITHIN_K

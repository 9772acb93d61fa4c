"""What the three ways to a Miniserver have in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from pems_core.devices.commands import Validity
from pems_core.domain import Alert, Command, NotDelivered, Reading, Receipt, Stage
from pems_core.transport.lines import Lines

from .config import HeatingSection
from .encoding import Wish, Words, said_to
from .image import Image
from .wishes import Wishes

LEAST_SETTLE = timedelta(minutes=11)
"""The longest minimum time that the Miniserver's own block is drawn with (protocols C.6), and a minute."""


class LoxoneTransport(ABC):
    """A `Transport` to the Miniserver: its rooms, what it was told, what is wrong."""

    setpoint_settles = timedelta(minutes=6)
    """How long a target may take to be shown: a gateway may need 300 s to see that the Miniserver has rebooted and
    lost its values (protocols C.5, trap 86)."""

    def __init__(self, device: str, settings: HeatingSection, words: Words, wish: Callable[[Command], Wish]) -> None:
        self._settings = settings
        self._words = words
        self._device = device
        names = [room.name for room in settings.room]
        self.image = Image(device, names, timedelta(hours=settings.sensor_stuck_hours))
        settles = {
            room.name: max(LEAST_SETTLE, timedelta(minutes=1 + max(room.min_on_minutes, room.min_off_minutes)))
            for room in settings.room
        }
        self.wishes = Wishes(self.image, wish, settles, self.setpoint_settles)
        self._wish = wish
        self._owed: dict[str, Command] = {}
        """By control: what the Miniserver must be told anew."""
        self._running: Lines | None = None

    @property
    def name(self) -> str:
        return "loxone"

    @property
    def devices(self) -> Sequence[str]:
        return (self._device,)

    @abstractmethod
    async def run(self, lines: Lines) -> None:
        """See `Transport`."""

    @abstractmethod
    async def beat(self, count: int) -> None:
        """See `Transport`."""

    @abstractmethod
    async def _write(self, command: Command) -> Receipt | None:
        """Say it on the line; a receipt if the answer says more than that it has gone out.

        :raises NotDelivered: if it could not be said.
        """

    def _holds_on(self, command: Command) -> bool:
        """Whether what was said before lasts as long as a command that says the same again."""
        return True

    async def send(self, command: Command) -> Receipt:
        """See `Transport`. A room that is held, or whose sensor is not believed, is only ever handed back."""
        now = self.now()
        if (receipt := self._out_of_range(command, now) or self.wishes.refused(command, now)) is not None:
            return receipt
        if self._holds_on(command) and self.wishes.already(command, now):
            return Receipt(command, Stage.READBACK_OK, now, "already so; not said again")
        answered = await self._write(command)
        if answered is not None and answered.stage.failed:
            return answered
        self._told(command)
        return answered or Receipt(command, Stage.SENT, now)

    def _out_of_range(self, command: Command, now: datetime) -> Receipt | None:
        """An offset taken for a temperature, or a temperature for an offset, must not get through (trap 79)."""
        low_c, high_c, wish = self._settings.setpoint_min_c, self._settings.setpoint_max_c, self._wish(command)
        if wish is None or isinstance(wish, bool) or low_c <= wish <= high_c:
            return None
        return Receipt(command, Stage.REJECTED, now, f"found {wish:g} °C; allowed: {low_c:g} to {high_c:g}")

    async def check(self, command: Command) -> Receipt:
        """See `Transport`. Judged by what the Miniserver has said since."""
        receipt = self.wishes.judge(command, self.now())
        text = f"{command.control}: {receipt.detail}"
        unheeded = receipt.stage is Stage.NO_EFFECT
        place = f"{self._device}/{said_to(command)[0]}"
        self.image.alarms.tell("unheeded", text if unheeded else "", receipt.at, place=place)
        return receipt

    def readings(self) -> Mapping[str, Reading]:
        return {} if self._running is None else self.image.readings(self.now())

    @property
    def alerts(self) -> Sequence[Alert]:
        return () if self._running is None else self.image.alerts(self.now())

    @property
    def lines(self) -> Lines:
        """
        :raises NotDelivered: if nobody awaits `run`.
        """
        if self._running is None:
            raise NotDelivered("loxone: the conversation has not begun")
        return self._running

    def now(self) -> datetime:
        """
        :raises NotDelivered: if nobody awaits `run`.
        """
        return self.lines.clock.now()

    async def came_back(self) -> None:
        """The Miniserver has rebooted and lost what it was told, or has old values back (traps 74, 86, 90)."""
        self.wishes.forget()
        self._owed.update({command.control: command for command in self.wishes.in_force(self.now())})

    async def catch_up(self) -> None:
        """Say what the Miniserver has lost, and hand back rooms whose sensor is not believed any more (trap 91)."""
        now = self.now()
        for name, room in self.image.rooms.items():
            if room.unreliable(now) and self.wishes.of(name, now):
                self._owed.update({command.control: command for command in self._hand_back(name)})
        for command in list(self._owed.values()):
            if self._owed.get(command.control) is not command:
                continue  # something newer was said while this waited for its turn
            if self.wishes.refused(command, now) is not None:
                del self._owed[command.control]
            elif not await self._said_anew(command):
                return

    async def _said_anew(self, command: Command) -> bool:
        place = f"{self._device}/{said_to(command)[0]}"
        try:
            await self._write(command)
        except NotDelivered as failed:
            self.image.alarms.put("unsaid", f"could not be told anew: {failed}", self.now(), place=place)
            return False
        if self._owed.get(command.control) is command:
            self._told(command)
        else:
            # Something newer went out while this waited for its turn, and has now been overtaken.
            newest = {one.control: one for one in self.wishes.in_force(self.now())}
            self._owed.update({one: newest[one] for one in (command.control,) if one in newest})
        return True

    def _told(self, command: Command) -> None:
        """A command has gone out: nothing older about its control is to be said any more."""
        self.wishes.sent(command, self.now())
        self._owed.pop(command.control, None)
        self.image.alarms.clear("unsaid", place=f"{self._device}/{said_to(command)[0]}")

    def _hand_back(self, room: str) -> Sequence[Command]:
        release = Validity.release()
        setpoint = self._words.setpoint(self._device, room, None, release)
        relay = self._words.relay(self._device, room, None, release)
        return [setpoint] if relay is None else [setpoint, relay]

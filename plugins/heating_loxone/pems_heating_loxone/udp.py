"""A Miniserver over UDP: nothing is confirmed, so all that is wanted is said again and again (protocols C.4)."""

from datetime import datetime
from zoneinfo import ZoneInfo

from pems_core.devices.commands import Validity
from pems_core.domain import Command, NotDelivered
from pems_core.transport.dialogue import together
from pems_core.transport.lines import Lines, UdpLine

from .config import HeatingSection
from .conversation import LoxoneTransport
from .datagrams import Line, parse_line, whole_lines
from .encoding import RELAY, UdpWords, said_to
from .values import Unreadable, switch

MOST_CHARACTERS = 1200
"""What fits one datagram on any network."""
RETRY_S = 30.0


class LoxoneUdp(LoxoneTransport):
    """Each datagram begins with `;seq=`, which only grows, over restarts too: a late one can be told from a new one."""

    def __init__(self, device: str, settings: HeatingSection, words: UdpWords, zone: ZoneInfo) -> None:
        """
        :param zone: of the Miniserver's wall clock.
        """
        super().__init__(device, settings, words, words.wish)
        self._target = words.target
        self._zone = zone
        self._sequence = 0
        self._beats = ""

    async def run(self, lines: Lines) -> None:
        """See `Transport`."""
        self._running = lines
        await together(self._listen(lines), self._repeat(lines))

    async def beat(self, count: int) -> None:
        """See `Transport`. Said with all that is wanted until the next: a datagram may be lost, the count may not."""
        self._beats = f"heartbeat={count};"
        await self._say("")
        self.image.beaten(self.now())

    async def _write(self, command: Command) -> None:
        await self._say(command.payload.removeprefix(";"))

    async def _say(self, words: str) -> None:
        self._sequence = max(self._sequence + 1, int(self.now().timestamp()))
        await self._line(self.lines).send(f";seq={self._sequence};{self._beats}{words}\n")

    def _line(self, lines: Lines) -> UdpLine:
        return lines.udp(self._target, self._settings.udp_listen_port)

    async def _repeat(self, lines: Lines) -> None:
        """Say all that is wanted every so often; what has ended is said as a hand-back."""
        place = f"{self._device}/udp"
        while True:
            await lines.clock.sleep(self._settings.udp_repeat_s)
            # A heartbeat that is not renewed must die, also on the line: it is repeated with its old count.
            try:
                for words in self._all_words(lines.clock.now()):
                    await self._say(words)
            except NotDelivered as failed:
                self.image.alarms.put("unsaid", str(failed), lines.clock.now(), place=place)
            else:
                self.image.alarms.clear("unsaid", place=place)

    def _all_words(self, now: datetime) -> list[str]:
        """The whole desired state, in as many parts as datagrams need."""
        for command in self.wishes.ended(now):
            self.wishes.sent(self._handed_back(command), now)
        texts: list[str] = []
        for command in self.wishes.in_force(now):
            words = command.payload.removeprefix(";")
            if texts and len(texts[-1]) + len(words) <= MOST_CHARACTERS:
                texts[-1] += words
            else:
                texts.append(words)
        return texts

    def _handed_back(self, command: Command) -> Command:
        room, what = said_to(command)
        release = Validity.release()
        if what == RELAY:
            return UdpWords(self._target).relay(self._device, room, None, release)
        return UdpWords(self._target).setpoint(self._device, room, None, release)

    async def _listen(self, lines: Lines) -> None:
        place = f"{self._device}/udp"
        while True:
            try:
                async with self._line(lines).datagrams() as datagrams:
                    self.image.alarms.clear("deaf", place=place)
                    async for text, received_at in datagrams:
                        await self._take(text, received_at)
            except NotDelivered as failed:
                self.image.alarms.put("deaf", str(failed), lines.clock.now(), place=place)
            await lines.clock.sleep(RETRY_S)

    async def _take(self, datagram: str, received_at: datetime) -> None:
        for text in whole_lines(datagram):
            place = f"{self._device}/udp"
            try:
                line = parse_line(place, text, received_at, self._zone)
                place = f"{place}/{line.room}/{line.kind}"
                await self._hear(line, place, received_at)
            except Unreadable as unreadable:
                self.image.refuse(unreadable, place, received_at)
            else:
                self.image.alarms.clear("unreadable", place=place)
        await self.catch_up()

    async def _hear(self, line: Line, place: str, received_at: datetime) -> None:
        what = line.what
        if what == "pems_ok":
            if self.image.hear_ok(switch(place, line.value), received_at):
                await self.came_back()
        elif what is not None and line.room in self.image.rooms:
            self.image.hear(line.room, what, line.value, line.at, place=place, received_at=received_at)

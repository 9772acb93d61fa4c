"""A Growatt inverter behind an OpenInverterGateway, over the site's broker (protocols B.1).

The gateway answers `success` when the inverter acknowledged a write; whether it took it, only reading back tells
(protocols E.5, 64). So each command is: read what is, write what is not as commanded, read again.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pems_core.alerts import AlertBook
from pems_core.domain import Alert, Command, HybridInverterSpec, NotDelivered, NotNow, Reading, Receipt, Severity, Stage
from pems_core.transport.dialogue import together
from pems_core.transport.lines import Change, Lines, MqttMessage, NoAnswer

from .config import GrowattSection
from .oig_clock import MOST_OFFSET_S, InverterClock
from .oig_gateway import Gateway
from .oig_image import OigImage
from .oig_payload import BadPayload
from .oig_registers import Cell, Registers, holding
from .oig_watch import AGAIN_AFTER_S, HOUR_S, TICK_S, Poll, Watch
from .oig_words import EXPORT_LIMIT, CannotSay, Export, Request, Wish, acts_by_clock, wish

FRESH_S = 60.0
"""What was read so long ago, of the clock, still tells what is, unless something was told since: commands of one plan
come together, and each read costs a second."""
LIMIT = f"holding/{EXPORT_LIMIT[1]}"
"""The limit of feed-in, in the book of what PEMS has changed."""
READ_BACK_AFTER_S = (1.0, 3.0, 6.0)
"""Some firmware shows a new value only after 10 s (protocols E.1, 3)."""
OVER_RATING = 1.3
SILENCE = timedelta(minutes=2)
"""Telemetry comes every 5 s, and may leave out some turns (protocols E.5, 70)."""


@dataclass(frozen=True)
class _Talk:
    """All that is needed to speak with the gateway, for one run."""

    lines: Lines
    gateway: Gateway
    registers: Registers
    inverter_clock: InverterClock
    watch: Watch
    began: datetime


class OigTransport:
    """Listens to the gateway's telemetry, asks for what is not in it, and carries out commands one by one."""

    def __init__(
        self,
        name: str,
        section: GrowattSection,
        spec: HybridInverterSpec,
        timezone: str = "UTC",
        export_limit_percent: float = 100.0,
    ) -> None:
        """
        :param name: of the device.
        :param timezone: the zone that the inverter's clock runs in.
        :param export_limit_percent: what the house may feed in [% of the rated power]; 100: no limit.
        """
        self._most_export = round(10 * export_limit_percent)
        self._name = name
        self._section = section
        self._base = section.topic
        self._zone = ZoneInfo(timezone)
        self._alerts = AlertBook(name)
        self._image = OigImage(name, self._alerts, most_kw(spec))
        self._talk: _Talk | None = None
        self._connections = 0

    @property
    def name(self) -> str:
        return self._name

    @property
    def devices(self) -> Sequence[str]:
        return (self._name,)

    async def run(self, lines: Lines) -> None:
        """See `Transport.run`. One subscription hears telemetry, replies, and commands of others."""
        lines.wear.limit(self._name, self._section.writes_per_day, self._section.writes_hard)
        clock = lines.clock
        gateway = Gateway(lines.mqtt, clock, self._base)
        registers = Registers(gateway, clock)
        inverter_clock = InverterClock(gateway, clock, self._zone)
        watch = Watch(gateway, registers, inverter_clock, self._image, clock)
        talk = _Talk(lines, gateway, registers, inverter_clock, watch, clock.now())
        self._connections = lines.mqtt.connections
        async with lines.mqtt.messages(f"{self._base}/#") as heard:
            self._talk = talk
            try:
                await together(self._listen(talk, heard), self._keep_asking(talk))
            finally:
                self._talk = None

    async def send(self, command: Command) -> Receipt:
        """See `Transport.send`."""
        talk = self._talking()
        try:
            wished = await self._wish(talk, command)
            if acts_by_clock(wished):
                await self._require_clock(talk)
            return await self._bring_about(talk, command, wished)
        except CannotSay as refusal:
            return _receipt(talk, command, Stage.REJECTED, str(refusal))
        finally:
            talk.watch.tell_settings()

    async def check(self, command: Command) -> Receipt:
        """See `Transport.check`."""
        talk = self._talking()
        try:
            wished = await self._wish(talk, command)
            undone = await self._undone(talk, wished, max_age_s=0.0)
        except CannotSay as refusal:
            return _receipt(talk, command, Stage.SENT, str(refusal))
        talk.watch.tell_settings()
        if undone:
            return _receipt(talk, command, Stage.REVERTED, self._shown(talk, wished.cells))
        return _receipt(talk, command, Stage.READBACK_OK)

    async def beat(self, count: int) -> None:
        """See `Transport.beat`. The inverter watches nobody: its slots end by themselves (protocols A.8)."""

    def readings(self) -> Mapping[str, Reading]:
        """See `Transport.readings`."""
        return self._image.readings

    @property
    def alerts(self) -> Sequence[Alert]:
        """What is wrong now."""
        return (*self._alerts.all, *self._silence())

    # Listening

    async def _listen(self, talk: _Talk, heard: AsyncIterator[MqttMessage]) -> None:
        async for message in heard:
            try:
                self._take(talk, message)
            except BadPayload as fault:
                self._alerts.put("result", f"{message.topic}: {fault}", message.received_at)

    def _take(self, talk: _Talk, message: MqttMessage) -> None:
        """
        :raises BadPayload: if it is a reply that cannot be read.
        """
        if message.topic == self._base:
            if self._image.hear(message):
                talk.watch.begin_anew()
        elif message.topic == f"{self._base}/result":
            talk.gateway.hear(message)
            self._alerts.clear("result")
        elif not talk.gateway.asks(message):
            # Somebody else tells the gateway something: what was read before may be so no longer.
            talk.registers.forget()

    # Asking from time to time

    async def _keep_asking(self, talk: _Talk) -> None:
        while True:
            for poll in talk.watch.polls:
                # Who was not heard yet may not be there: its answers would be waited for in vain.
                heard = self._image.heard_at is not None
                if heard and talk.lines.clock.elapsed_s() >= poll.due_at_s and self._reachable(talk):
                    await self._ask(talk, poll)
            await talk.lines.clock.sleep(TICK_S)

    async def _ask(self, talk: _Talk, poll: Poll) -> None:
        try:
            await poll.ask()
        except NotDelivered as fault:
            poll.due_at_s = talk.lines.clock.elapsed_s() + AGAIN_AFTER_S
            self._alerts.put(poll.about, f"{poll.about} could not be read: {fault}", talk.lines.clock.now())
        else:
            poll.due_at_s = talk.lines.clock.elapsed_s() + poll.every_s
            self._alerts.clear(poll.about)
        self._judge_clock(talk)

    def _reachable(self, talk: _Talk) -> bool:
        """Whether there is anybody to ask. What was read over a connection that broke is forgotten."""
        line = talk.lines.mqtt
        if line.connections != self._connections:
            self._connections = line.connections
            talk.watch.begin_anew()
        return line.connected and not self._image.gone

    def _judge_clock(self, talk: _Talk) -> None:
        offset_s = talk.inverter_clock.offset_s
        if abs(offset_s) <= MOST_OFFSET_S:
            self._alerts.clear("clock off", place=f"{self._name}/clock_offset_s")
            return
        text = f"the inverter's clock is {offset_s:.0f} s off; at most {MOST_OFFSET_S:g} s are allowed for slots"
        self._alerts.put("clock off", text, talk.lines.clock.now(), place=f"{self._name}/clock_offset_s")

    def _silence(self) -> Sequence[Alert]:
        talk = self._talk
        if talk is None or self._image.gone or not talk.lines.mqtt.connected:
            return ()
        since = self._image.heard_at or talk.began
        if talk.lines.clock.now() - since <= SILENCE:
            return ()
        return (Alert(Severity.WARNING, self._name, f"no new telemetry on {self._base}", since),)

    # Commanding

    def _talking(self) -> _Talk:
        """
        :raises NotDelivered: if nobody can be told anything now.
        """
        talk = self._talk
        if talk is None:
            raise NotDelivered(f"{self._name}: nobody listens to the gateway yet")
        if not self._reachable(talk):
            raise NotDelivered(f"{self._name}: the gateway or the broker is away")
        return talk

    async def _wish(self, talk: _Talk, command: Command) -> Wish:
        """
        :raises CannotSay: if this gateway cannot be told that.
        :raises NotDelivered: if it does not say which build it is.
        """
        _, found, name = command.address.partition("/command/")
        if command.transport != "mqtt" or not found:
            raise CannotSay(f"{command.transport} {command.address}: a word for the gateway is needed")
        wished = wish(await talk.watch.build(), name, command.payload, self._most_export)
        if isinstance(wished, Export):
            return replace(wished, changed=talk.lines.wear.changed(self._name).get(LIMIT))
        return wished

    async def _require_clock(self, talk: _Talk) -> None:
        """No slot by a clock that is wrong (protocols D.6); it is set first if it may be.

        :raises NotNow: if it stays wrong.
        """
        clock = talk.inverter_clock
        await clock.measure(HOUR_S)
        await clock.set_if_needed(talk.lines.wear, self._name)
        self._image.put("clock_offset_s", clock.offset_s, "s", talk.lines.clock.now())
        self._judge_clock(talk)
        if abs(clock.offset_s) > MOST_OFFSET_S:
            raise NotNow(f"the inverter's clock is {clock.offset_s:.0f} s off: a slot would act at the wrong time")

    async def _bring_about(self, talk: _Talk, command: Command, wished: Wish) -> Receipt:
        requests = await self._undone(talk, wished, FRESH_S)
        if not requests:
            return self._settled(talk, command, wished, "it was so already")
        if isinstance(wished, Export) and wished.lasts:
            change = Change(talk.registers.all_known[EXPORT_LIMIT], wished.most)
            talk.lines.wear.note_changed(self._name, LIMIT, change)
        lost: NoAnswer | None = None
        for request in requests:
            try:
                refusal = await self._write(talk, command, request)
            except NoAnswer as fault:
                lost = fault
                break
            if refusal:
                return _receipt(talk, command, Stage.REJECTED, refusal)
        return await self._read_back(talk, command, wished, lost)

    async def _write(self, talk: _Talk, command: Command, request: Request) -> str:
        """One request; why the gateway refused it, empty if it did not.

        :raises CannotSay: if it does not fit into the gateway's buffer.
        :raises NoAnswer: if nobody can know what became of it.
        :raises WornOut: if what it writes has no writes left today.
        """
        if talk.lines.clock.now() >= command.expires_at:
            raise NotDelivered(f"{request.name}: it expired at {command.expires_at:%H:%M:%S} before it could be sent")
        talk.lines.wear.spend(self._name, [f"holding/{a}" for a in request.wears], releases=command.releases)
        talk.registers.forget(holding(address) for address in request.wears)
        try:
            reply = await talk.gateway.ask(request.name, request.arguments, command.id)
        except ValueError as fault:
            raise CannotSay(str(fault)) from None
        return "" if reply.success else f"{request.name}: {reply.message or 'success is false'}"

    async def _read_back(self, talk: _Talk, command: Command, wished: Wish, lost: NoAnswer | None) -> Receipt:
        """
        :raises NotDelivered: if no reply came and the inverter does not show that it took the command.
        """
        unread: NotDelivered | None = None
        for seconds in READ_BACK_AFTER_S:
            await talk.lines.clock.sleep(seconds)
            try:
                undone = await self._undone(talk, wished, max_age_s=0.0)
            except NotDelivered as fault:
                unread = fault
                continue
            unread = None
            if not undone:
                return self._settled(talk, command, wished, "no reply came, but it is so" if lost else "")
        if lost is not None:
            raise NotDelivered(f"{lost}; {unread or self._shown(talk, wished.cells)}")
        if unread is not None:
            return _receipt(talk, command, Stage.ACKED, f"it could not be read back: {unread}")
        shown = self._shown(talk, wished.cells)
        talk.watch.tell_settings()
        # It may still come about: who wants something else next has to look again.
        talk.registers.forget(wished.cells)
        return _receipt(talk, command, Stage.NO_EFFECT, shown)

    def _settled(self, talk: _Talk, command: Command, wished: Wish, detail: str) -> Receipt:
        """It is as wished."""
        if isinstance(wished, Export) and not wished.lasts:
            talk.lines.wear.put_back(self._name, LIMIT)
        return _receipt(talk, command, Stage.READBACK_OK, detail)

    async def _undone(self, talk: _Talk, wished: Wish, max_age_s: float) -> Sequence[Request]:
        """What is still to be written.

        :raises CannotSay: if this unit cannot be told.
        :raises NotDelivered: if what is so cannot be read.
        """
        present = await talk.registers.read(wished.cells, max_age_s)
        present |= await talk.registers.read(wished.further(present), HOUR_S)
        return wished.requests(present, talk.lines.clock.now().astimezone(self._zone))

    def _shown(self, talk: _Talk, cells: Sequence[Cell]) -> str:
        known = talk.registers.all_known
        return "read back: " + ", ".join(f"{space}/{at} = {known.get((space, at), '?')}" for space, at in cells)


def most_kw(spec: HybridInverterSpec) -> Mapping[str, float]:
    """Beyond what the battery's powers cannot be true (protocols D.2), by point."""
    battery = spec.battery
    if battery is None:
        return {}
    limits_kw = {"charge_kw": battery.charge_limit_kw, "discharge_kw": battery.discharge_limit_kw}
    return {point: OVER_RATING * limit_kw for point, limit_kw in limits_kw.items()}


def _receipt(talk: _Talk, command: Command, stage: Stage, detail: str = "") -> Receipt:
    return Receipt(command, stage, talk.lines.clock.now(), detail)

"""A Miniserver over HTTP: states are read every so often, wishes go to inputs or room controllers."""

from collections.abc import Mapping
from datetime import timedelta

from pems_core.domain import Command, NotDelivered, Receipt, Severity, Stage
from pems_core.transport.lines import Change, Lines

from .access import LOCKED, OK, UNKNOWN, Access, LoxAnswer
from .config import HeatingSection, RoomTable
from .controller import OperatingMode, foreign_override, locked, own_override, window_open
from .conversation import LoxoneTransport
from .encoding import WRITABLE, InputWords, OverrideWords, io_path, loxone_seconds, override_words, said_to
from .structure import Structure, parse_structure
from .values import Unreadable, switch

WRITE_SPACING_S = 1.0
RELEASE_SPACING_S = 0.2
"""A hand-back is always allowed, and all rooms must be handed back before PEMS ends."""
CONTROL_SPACING_S = 30.0
"""No more than one write a second in all, and one in 30 s to each control (protocols C.1, D.4)."""
BEAT_SPACING_S = 45.0
"""The watchdog wants a change about once a minute (protocols C.6)."""
RENEWED_AT_ONCE = 3
"""One after the other, and a beat must not take long; the next one renews the next."""
STOP = "stopOverride"
OVERRIDE = "override"
"""In the book of what PEMS has changed: `override/<room>`, by the end of the newest [s since 2009-01-01]."""
FEW_POLLS = 2.5
"""A target is shown within two polls (protocols D.4)."""
LIFE_S, RENEWED_S = 45 * 60, 30 * 60
"""An override is written for three control steps at most, and anew when less than two are left: if PEMS dies, it ends
by itself (protocols C.6)."""
STATES = (("tempActual", "temperature"), ("tempTarget", "target"))


class LoxoneHttp(LoxoneTransport):
    """Writes only what `WRITABLE` allows: nothing that toggles, and nothing that outlives PEMS by itself (78, 79)."""

    def __init__(self, device: str, settings: HeatingSection, words: InputWords | OverrideWords) -> None:
        self.setpoint_settles = timedelta(seconds=FEW_POLLS * settings.poll_s)
        super().__init__(device, settings, words, words.wish)
        self._overrides = words if isinstance(words, OverrideWords) else None
        self._url = words.url
        self._opened: Access | None = None
        self._structure: Structure | None = None
        self._version: object = None
        self._uuids = {room.name: room.uuid for room in settings.room}
        self._modes = {room.name: OperatingMode() for room in settings.room}
        self._ends: dict[str, int] = {}
        """By room: when the override ends that PEMS has made [s since 2009-01-01]."""
        self._own_ends: dict[str, set[int]] = {room.name: set() for room in settings.room}
        """All ends that PEMS has written or is writing: a poll that began before a write shows the one before."""
        self._written_s = 0.0
        self._next_beat_s = 0.0
        self._next_of_s: dict[str, float] = {}

    async def run(self, lines: Lines) -> None:
        """See `Transport`."""
        password = self._settings.password
        secret = password.get_secret_value() if password else ""
        access = self._opened = Access(lines.http(self._url, self._settings.user, secret), lines.clock)
        self._running = lines
        self._recall_overrides()
        while True:
            await self._poll(access)
            await lines.clock.sleep(self._settings.poll_s)

    async def beat(self, count: int) -> None:
        """See `Transport`. Overrides need no heartbeat: they end by themselves, and only a beat renews them (92)."""
        if self._overrides is not None:
            await self._renew(self._overrides)
        elif self.lines.clock.elapsed_s() >= self._next_beat_s:
            beat = f"{io_path(self._settings.heartbeat_input)}/{count}"
            answer = await self._put(beat, WRITE_SPACING_S, waits=False)
            self._next_beat_s = self.lines.clock.elapsed_s() + BEAT_SPACING_S
            if answer.code != OK:
                # Else nobody would know that the Miniserver's watchdog hears nothing.
                raise NotDelivered(f"heartbeat {self._settings.heartbeat_input}: {_why(answer.code)} ({answer.code})")
        self.image.beaten(self.now())

    # Writing

    def _holds_on(self, command: Command) -> bool:
        """Whether the override that is there lasts long enough."""
        words = self._overrides
        if words is None or words.wish(command) is None:
            return True
        enough = min(words.ends(command), loxone_seconds(self.now(), words.zone) + RENEWED_S)
        return self._ends.get(said_to(command)[0], 0) >= enough

    async def _renew(self, words: OverrideWords) -> None:
        """Make overrides last that are still wanted and still there; one that somebody ended stays ended (83)."""
        now = self.now()
        ending = [
            command
            for command in self.wishes.in_force(now)
            if words.wish(command) is not None
            and not self._holds_on(command)
            and self.wishes.refused(command, now) is None
            and self.wishes.judge(command, now).stage is Stage.READBACK_OK
        ]
        for command in ending[:RENEWED_AT_ONCE]:
            await self._write(command)

    async def _write(self, command: Command) -> Receipt | None:
        if not WRITABLE.fullmatch(command.payload):
            return Receipt(command, Stage.REJECTED, self.now(), f"{command.payload} is never written over HTTP")
        room, _ = said_to(command)
        if command.payload == STOP and not await self._own_to_stop(room, command):
            return Receipt(command, Stage.ACKED, self.now(), "no override of PEMS's own to stop")
        end_s, words = self._on_the_wire(command)
        if end_s:
            self._own_ends[room].add(end_s)
            self.lines.wear.note_changed(self._device, f"{OVERRIDE}/{room}", Change(0, end_s))
        spacing_s = RELEASE_SPACING_S if command.releases else WRITE_SPACING_S
        path = f"{command.address.removeprefix(self._url)}/{words}"
        answer = await self._put(path, spacing_s, waits=not command.releases)
        if answer.code != OK:
            return Receipt(command, Stage.REJECTED, self.now(), f"code {answer.code}: {_why(answer.code)}")
        self._ends.pop(room, None)
        if end_s:
            self._ends[room] = end_s
        elif self._overrides is not None:
            self.lines.wear.put_back(self._device, f"{OVERRIDE}/{room}")
        return Receipt(command, Stage.ACKED, self.now())

    def _recall_overrides(self) -> None:
        """Know those again that PEMS made before it was started anew, or that the engine made of which this is the
        guard: nobody else would end them, and they would pass for a person's."""
        if self._overrides is None:
            return
        now_s = loxone_seconds(self.now(), self._overrides.zone)
        changed = self.lines.wear.changed(self._device)
        for room in self._uuids:
            change = changed.get(f"{OVERRIDE}/{room}")
            if change is not None and change.told > now_s:
                self._ends[room] = change.told
                self._own_ends[room].add(change.told)

    async def _own_to_stop(self, room: str, command: Command) -> bool:
        """Whether an override of PEMS's own holds, as the Miniserver says if it does: a person may have put another in
        its place, which is theirs."""
        if room not in self._ends:
            return False
        answer = await self._ask(f"{command.address.removeprefix(self._url)}/all")
        zone = self._overrides.zone if self._overrides else None
        try:
            own = own_override(room, answer.outputs, self._own_ends[room], loxone_seconds(self.now(), zone))
        except Unreadable:
            return True
        return answer.code != OK or own is not False

    def _on_the_wire(self, command: Command) -> tuple[int, str]:
        """When an override is to end, 0 if it is none, and the words."""
        words = self._overrides
        wish = words.wish(command) if words else None
        if words is None or wish is None:
            return 0, command.payload
        end_s = min(words.ends(command), loxone_seconds(self.now(), words.zone) + LIFE_S)
        return end_s, override_words(end_s, wish)

    async def _put(self, path: str, spacing_s: float, *, waits: bool) -> LoxAnswer:
        """Write, no sooner than the Miniserver may be written to.

        :param spacing_s: from the write before.
        :param waits: whether this control must have rested since it was last written.
        :raises NotDelivered: if this control was written a moment ago, or the Miniserver is not to be had.
        """
        self._access.require_open()
        clock, control = self.lines.clock, _control(path)
        left_s = self._next_of_s.get(control, 0.0) - clock.elapsed_s()
        if waits and left_s > 0:
            raise NotDelivered(f"{control} was written a moment ago; next write in {left_s:.0f} s")
        turn_s = max(self._written_s + spacing_s, clock.elapsed_s())
        self._written_s = turn_s
        await clock.sleep(turn_s - clock.elapsed_s())
        self._next_of_s[control] = clock.elapsed_s() + CONTROL_SPACING_S
        return await self._ask(path)

    @property
    def _access(self) -> Access:
        """
        :raises NotDelivered: if nobody awaits `run`.
        """
        if self._opened is None:
            raise NotDelivered("loxone: the conversation has not begun")
        return self._opened

    async def _ask(self, path: str) -> LoxAnswer:
        answer = await self._access.ask(path)
        place = f"{self._device}/{_control(path)}"
        text = "the Miniserver does not know it" if answer.code == UNKNOWN else ""
        self.image.alarms.tell("unknown", text, self.now(), place=place)
        return answer

    # Reading

    async def _poll(self, access: Access) -> None:
        place = f"{self._device}/miniserver"
        try:
            await self._read_structure()
            await self._read_ok()
            for room in self._settings.room:
                await self._read_room(room)
        except NotDelivered as failed:
            self.image.new_session()
            text = access.trouble or str(failed)
            self.image.alarms.put("away", text, self.now(), Severity.CRITICAL, place=place)
        except Unreadable as unreadable:
            self.image.refuse(unreadable, place, self.now())
        else:
            self.image.alarms.clear("away", place=place)
            self.image.alarms.clear("unreadable", place=place)
            await self._follow_up(access)

    async def _follow_up(self, access: Access) -> None:
        if access.came_back():
            await self.came_back()
        await self.catch_up()

    async def _read_structure(self) -> None:
        """Map rooms to controllers anew whenever the program was saved; by uuid, which survives renaming (77)."""
        version = (await self._ask("/jdev/sps/LoxAPPversion3")).value
        if self._structure is not None and version == self._version:
            return
        answer = await self._ask("/data/LoxAPP3.json")
        self._structure = parse_structure(f"{self._device}/LoxAPP3.json", answer.body or str(answer.value))
        self._version = version
        for room in self._settings.room:
            self._uuids[room.name] = self._uuids[room.name] or self._structure.uuid_of(room.name)

    async def _read_ok(self) -> None:
        if self._overrides is not None:
            return
        path = io_path(self._settings.ok_output)
        answer = await self._ask(path)
        if answer.code == OK and self.image.hear_ok(switch(path, answer.value), self.now()):
            await self.came_back()

    async def _read_room(self, room: RoomTable) -> None:
        uuid = self._uuids[room.name]
        controller = self._structure.controllers.get(uuid) if self._structure else None
        place = f"{self._device}/{room.name}"
        text = f"the Miniserver has no room controller {uuid or 'of this name'}: the room is left to itself"
        self.image.alarms.tell("missing", text if controller is None else "", self.now(), place=place)
        if controller is None:
            self._note(room, "ignored", True)
            return
        self._note(room, "ignored", self._overrides is not None and controller.comfort_is_wired)
        answer = await self._ask(f"{io_path(uuid)}/all")
        self._note(room, "lock", answer.code == LOCKED)
        if answer.code == OK:
            self._read_states(room, answer.outputs)
        await self._read_control(room, room.relay_uuid, "relay")
        await self._read_control(room, room.power_uuid, "power_kw")

    async def _read_control(self, room: RoomTable, uuid: str, what: str) -> None:
        if uuid:
            answer = await self._ask(io_path(uuid))
            if answer.code == OK:
                self._note(room, what, answer.value)

    def _read_states(self, room: RoomTable, states: Mapping[str, object]) -> None:
        place = f"{self._device}/{room.name}"
        for state, what in STATES:
            if state in states:
                self._note(room, what, states[state])
        try:
            if (is_open := window_open(place, states)) is not None:
                self._note(room, "window", is_open)
            if (is_locked := locked(place, states)) is not None:
                self._note(room, "lock", is_locked)
            self._note(room, "user", self._by_user(room.name, place, states))
        except Unreadable as unreadable:
            self.image.refuse(unreadable, place, self.now())

    def _by_user(self, room: str, place: str, states: Mapping[str, object]) -> bool:
        zone = self._overrides.zone if self._overrides else None
        now_s = loxone_seconds(self.now(), zone)
        own = self._own_ends[room] = {end for end in self._own_ends[room] if end > now_s}
        foreign = foreign_override(place, states, own, now_s)
        return bool(foreign) or bool(self._modes[room].changed(place, states))

    def _note(self, room: RoomTable, what: str, value: object) -> None:
        now, place = self.now(), f"{self._device}/{room.name}/{what}"
        try:
            self.image.hear(room.name, what, value, now, place=place, received_at=now)
        except Unreadable as unreadable:
            self.image.refuse(unreadable, place, now)


def _why(code: int) -> str:
    return {LOCKED: "locked", UNKNOWN: "the Miniserver does not know it"}.get(code, "refused")


def _control(path: str) -> str:
    """The name or UUID in the path of a virtual input or a controller."""
    return path.rpartition("/jdev/sps/io/")[2].partition("/")[0]

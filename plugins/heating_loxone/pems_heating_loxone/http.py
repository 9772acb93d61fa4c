"""A Miniserver over HTTP: states are read every so often, wishes go to inputs or room controllers."""

from collections.abc import Mapping
from datetime import timedelta

from pems_core.domain import Command, NotDelivered, Receipt, Severity, Stage
from pems_core.transport.lines import Lines

from .access import LOCKED, OK, UNKNOWN, Access, LoxAnswer
from .config import HeatingSection, RoomTable
from .controller import OperatingMode, foreign_override, locked, window_open
from .conversation import LoxoneTransport
from .encoding import WRITABLE, InputWords, OverrideWords, io_path, loxone_seconds, said_to
from .structure import Structure, parse_structure
from .values import Unreadable, switch

WRITE_SPACING_S = 1.0
CONTROL_SPACING_S = 30.0
"""No more than one write a second in all, and one in 30 s to each control (protocols C.1, D.4)."""
FEW_POLLS = 2.5
"""A target is shown within two polls (protocols D.4)."""
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
        self._next_write_s = 0.0
        self._next_of_s: dict[str, float] = {}

    async def run(self, lines: Lines) -> None:
        """See `Transport`."""
        password = self._settings.password
        secret = password.get_secret_value() if password else ""
        access = self._opened = Access(lines.http(self._url, self._settings.user, secret), lines.clock)
        self._running = lines
        while True:
            await self._poll(access)
            await lines.clock.sleep(self._settings.poll_s)

    async def beat(self, count: int) -> None:
        """See `Transport`. Overrides end by themselves and need no heartbeat."""
        if self._overrides is None:
            await self._put(f"{io_path(self._settings.heartbeat_input)}/{count}", spaced=False)
        self.image.beaten(self.now())

    # Writing

    def _holds_on(self, command: Command) -> bool:
        """An override is renewed when it would end less than a control step after what it is for (trap 83)."""
        if self._overrides is None or self._overrides.wish(command) is None:
            return True
        wanted = loxone_seconds(command.expires_at, self._overrides.zone)
        step_s = (self._overrides.ends(command) - wanted) / 2
        return self._ends.get(said_to(command)[0], 0) >= wanted + step_s

    async def _write(self, command: Command) -> Receipt | None:
        if not WRITABLE.fullmatch(command.payload):
            return Receipt(command, Stage.REJECTED, self.now(), f"{command.payload} is never written over HTTP")
        if command.payload == "stopOverride" and said_to(command)[0] not in self._ends:
            return Receipt(command, Stage.ACKED, self.now(), "no override of PEMS's own to stop")
        path = command.address.removeprefix(self._url)
        answer = await self._put(f"{path}/{command.payload}", spaced=not command.releases)
        if answer.code != OK:
            return Receipt(command, Stage.REJECTED, self.now(), f"code {answer.code}: {_why(answer.code)}")
        self._note_override(command)
        return Receipt(command, Stage.ACKED, self.now())

    def _note_override(self, command: Command) -> None:
        if self._overrides is not None:
            room, _ = said_to(command)
            self._ends.pop(room, None)
            if self._overrides.wish(command) is not None:
                self._ends[room] = self._overrides.ends(command)

    async def _put(self, path: str, *, spaced: bool) -> LoxAnswer:
        """Write, no sooner than the Miniserver may be written to.

        :param spaced: false for what may not wait until this control may be written again.
        :raises NotDelivered: if this control was written a moment ago, or the Miniserver is not to be had.
        """
        self._access.require_open()
        clock, control = self.lines.clock, path.rpartition("/")[0]
        left_s = self._next_of_s.get(control, 0.0) - clock.elapsed_s()
        if spaced and left_s > 0:
            raise NotDelivered(f"{control} was written a moment ago; next write in {left_s:.0f} s")
        turn_s = max(self._next_write_s, clock.elapsed_s())
        self._next_write_s = turn_s + WRITE_SPACING_S
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
        place = f"{self._device}{path}"
        self.image.alarms.set(answer.code == UNKNOWN, place, "unknown", "the Miniserver does not know it", self.now())
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
            self.image.alarms.put(place, "away", access.trouble or str(failed), self.now(), Severity.CRITICAL)
        except Unreadable as unreadable:
            self.image.refuse(unreadable, place, self.now())
        else:
            self.image.alarms.clear(place, "away")
            self.image.alarms.clear(place, "unreadable")
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
        self.image.alarms.set(controller is None, place, "missing", text, self.now())
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
        own = [self._ends[room]] if room in self._ends else []
        foreign = foreign_override(place, states, own, loxone_seconds(self.now(), zone))
        return bool(foreign) or bool(self._modes[room].changed(place, states))

    def _note(self, room: RoomTable, what: str, value: object) -> None:
        now, place = self.now(), f"{self._device}/{room.name}/{what}"
        try:
            self.image.hear(room.name, what, value, now, place=place, received_at=now)
        except Unreadable as unreadable:
            self.image.refuse(unreadable, place, now)


def _why(code: int) -> str:
    return {LOCKED: "locked", UNKNOWN: "the Miniserver does not know it"}.get(code, "refused")

"""A simulated Miniserver's web server: virtual inputs, room controllers, structure file (protocols C.1, C.3)."""

import asyncio
import json
from base64 import b64encode
from datetime import timedelta
from urllib.parse import unquote

from aiohttp import web

from .miniserver import HEARTBEAT, LOOK_S, Miniserver, Power, look_again
from .miniserver_controller import loxone_uuid
from .miniserver_program import ProgramRoom

LOGINS_BEFORE_BLOCK = 4
BLOCK_S = 300
OK_OUTPUT = "pems_ok"
BLOCKED_ANSWERS = {401: "Unauthorized", 477: "Token invalid", 503: "Miniserver is starting"}


class MiniserverHttp:
    """Answers one request after the other, as the real one does with its single thread."""

    def __init__(self, miniserver: Miniserver, *, user: str = "pems", password: str = "secret") -> None:  # noqa: S107
        self._miniserver = miniserver
        self._login = f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
        self._bad_logins = 0
        self._blocked_until = miniserver.clock.now()
        self._runner: web.ServerRunner | None = None
        self._site: web.TCPSite | None = None
        self._answers = 0
        self._turn = asyncio.Lock()
        self.port = 0
        self.asked: list[str] = []
        """Path of every request, in order."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def written(self) -> list[str]:
        """What was written: paths below /jdev/sps/io/ with a value or command."""
        io = [path.removeprefix("/jdev/sps/io/") for path in self.asked if path.startswith("/jdev/sps/io/")]
        return [path for path in io if "/" in path and not path.endswith("/all")]

    async def start(self) -> None:
        """Listen on a free loopback port, and later on the same again."""
        if self._runner is None:
            self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.1)
            await self._runner.setup()
        self._site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await self._site.start()
        self.port = int(self._runner.addresses[0][1])

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def run(self) -> None:
        """Refuse connections while the Miniserver is off, until cancelled."""
        while True:
            off = self._miniserver.power is Power.OFF
            if off and self._site is not None:
                await self._site.stop()
                self._site = None
            elif not off and self._site is None:
                await self.start()
            await look_again(self._miniserver.clock, LOOK_S)

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        path = request.raw_path.partition("?")[0]
        self.asked.append(path)
        if "76" in self._miniserver.traps:
            # A connection that looks open and never says anything.
            await asyncio.Event().wait()
        async with self._turn:
            refused = self._refusal(request, path)
            return refused if refused is not None else self._answer(path)

    def _refusal(self, request: web.BaseRequest, path: str) -> web.Response | None:
        now = self._miniserver.clock.now()
        if self._miniserver.power is not Power.READY:
            return self._plain(503)
        if path == "/jdev/cfg/api":
            return None
        if now < self._blocked_until:
            left_s = int((self._blocked_until - now).total_seconds())
            text = json.dumps({"LL": {"value": f"Blocked, {left_s} seconds remaining", "Code": "403"}})
            return web.Response(status=403, text=text)
        if "75" in self._miniserver.traps:
            return self._plain(477)
        if request.headers.get("Authorization") == self._login:
            self._bad_logins = 0
            return None
        self._bad_logins += 1
        if self._bad_logins >= LOGINS_BEFORE_BLOCK:
            self._bad_logins, self._blocked_until = 0, now + timedelta(seconds=BLOCK_S)
        return self._plain(401)

    @staticmethod
    def _plain(status: int) -> web.Response:
        return web.Response(status=status, text=BLOCKED_ANSWERS[status])

    def _answer(self, path: str) -> web.Response:
        if path == "/data/LoxAPP3.json":
            return web.Response(text=json.dumps(self.structure()))
        words = [unquote(word) for word in path.strip("/").split("/")]
        as_json, words = words[0] == "jdev", words[1:]
        value, code, outputs = self._ask(words)
        if not as_json:
            return web.Response(text=f'<LL control="{"/".join(words)}" value="{value}" Code="{code}"/>')
        self._answers += 1
        # Trap 88: the key and the kind of the code are not always the same, nor is the decimal point.
        odd = "88" in self._miniserver.traps and self._answers % 2
        said: dict[str, object] = {"control": f"dev/{'/'.join(words)}", "value": self._in_words(value)}
        said["code" if odd else "Code"] = code if odd else str(code)
        for index, (name, output) in enumerate(outputs.items()):
            said[f"output{index}"] = {"name": name, "nr": index, "value": self._in_words(output)}
        return web.Response(text=json.dumps({"LL": said}))

    def _in_words(self, value: object) -> object:
        if "88" in self._miniserver.traps and isinstance(value, float):
            return f"{value:.1f} °C".replace(".", ",")
        return value if not isinstance(value, float) else f"{value:g}"

    def _ask(self, words: list[str]) -> tuple[object, int, dict[str, object]]:
        """Value, code and outputs."""
        match words:
            case ["cfg", "api"]:
                return "{'snr': '50:4F:94:00:00:00', 'version':'14.5.12.7'}", 200, {}
            case ["sps", "LoxAPPversion3"]:
                return f"{self._miniserver.saved_at:%Y-%m-%d %H:%M:%S.%f}", 200, {}
            case ["sps", "io", name, *command]:
                return self._io(name, command)
        return "", 404, {}

    def _io(self, name: str, command: list[str]) -> tuple[object, int, dict[str, object]]:
        if name == OK_OUTPUT:
            return int(self._miniserver.pems_ok), 200, {}
        try:
            if name == HEARTBEAT:
                return self._heartbeat(command)
            for room in self._miniserver.rooms.values():
                found = self._of_room(room, name, command)
                if found is not None:
                    return found
        except ValueError:
            return "", 400, {}
        return "", 404, {}

    def _heartbeat(self, command: list[str]) -> tuple[object, int, dict[str, object]]:
        if command:
            self._miniserver.hear_beat(float(command[0]))
        return self._miniserver.heartbeat, 200, {}

    def _of_room(
        self, room: ProgramRoom, name: str, command: list[str]
    ) -> tuple[object, int, dict[str, object]] | None:
        own = room.spec.name
        if name == f"pems_{own}_relay":
            if command:
                self._miniserver.set_relay(own, float(command[0]))
            return room.relay_input, 200, {}
        if name == f"pems_{own}_setpoint_c":
            if command:
                self._miniserver.set_setpoint(own, float(command[0]))
            return room.setpoint_input, 200, {}
        if name == room.controller.uuid:
            return self._controller(room, command)
        view = self._miniserver.view(own)
        seen = {loxone_uuid(f"{own} relay"): int(view.relay), loxone_uuid(f"{own} power"): str(view.power_kw)}
        return (seen[name], 200, {}) if name in seen else None

    def _controller(self, room: ProgramRoom, command: list[str]) -> tuple[object, int, dict[str, object]]:
        now, controller = self._miniserver.clock.now(), room.controller
        if command in ([], ["all"]):
            actual_c, pems_c = self._miniserver.temperature_c(room.spec.name), room.pems_c(self._miniserver.pems_ok)
            return "1", 200, dict(controller.states(now, actual_c, pems_c))
        code = controller.command(command, now)
        self._miniserver.step(now)
        return "1", code, {}

    def structure(self) -> dict[str, object]:
        """LoxAPP3.json, as the user of PEMS may see it."""
        rooms, controls = {}, {}
        for name, room in self._miniserver.rooms.items():
            controller, place = room.controller, loxone_uuid(f"{name} room")
            rooms[place] = {"uuid": place, "name": controller.room}
            controls[controller.uuid] = {
                "name": "Heating",
                "type": "IRoomControllerV2",
                "uuidAction": controller.uuid,
                "room": place,
                "details": {"connectedInputs": int(controller.comfort_is_wired)},
                "states": {},
            }
        saved = f"{self._miniserver.saved_at:%Y-%m-%d %H:%M:%S}"
        return {"lastModified": saved, "msInfo": {"miniserverType": 2}, "rooms": rooms, "controls": controls}

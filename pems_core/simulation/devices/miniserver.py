"""A simulated Loxone Miniserver: rooms of the simulated house behind a watchdog, as protocols C.6 draws it.

It is reached over MQTT (`MiniserverMqtt`), UDP (`MiniserverUdp`) and HTTP (`MiniserverHttp`), which speak with real
clients over real sockets; any of them may be left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from pems_core.clock import Clock
from pems_core.domain import HeatingSpec, Value

from .live_house import LiveHouse
from .miniserver_controller import loxone_time
from .miniserver_program import AUTO, NO_SETPOINT, ProgramRoom, Watchdog
from .traps import Traps

HEARTBEAT = "pems_heartbeat"
STUCK_C = 20.0
"""What a stuck sensor says (trap 91)."""
SAVED_EVERY = timedelta(hours=1)
"""Remanent values are stored about so often (protocols C.6)."""
LOOK_S = 1.0
SHORTEST_LOOK_S = 0.01
"""However fast the clock passes, nothing is looked at more often than so [s of the wall]."""


class Power(StrEnum):
    """How far a Miniserver is."""

    OFF = "off"
    """Connections are refused."""
    STARTING = "starting"
    """The program does not run yet."""
    READY = "ready"


@dataclass(frozen=True, slots=True)
class RoomView:
    """What is to be seen of one room."""

    temperature_c: float
    target_c: float
    relay: bool
    power_kw: float
    heat_kwh: float
    window: bool
    user: bool
    lock: bool


class Miniserver:
    """Its program, driven by what arrives, and the house by its program."""

    def __init__(
        self,
        house: LiveHouse,
        heating: HeatingSpec,
        *,
        traps: Traps | None = None,
        device: str = "heating",
        watchdog_s: float = 300.0,
    ) -> None:
        """
        :param heating: the rooms, as the house has them.
        :param device: what the heating is called in the house.
        :param watchdog_s: T of the watchdog, at least three heartbeats [s of the clock].
        """
        self.traps = traps or Traps()
        self.clock = house.clock
        self.rooms = {room.name: ProgramRoom(room, self.traps) for room in heating.rooms}
        self.saved_at = house.clock.now()
        """When the program was last saved in Loxone Config: the change marker of its structure."""
        self.boots = 0
        self._house = house
        self._device = device
        self._watchdog = Watchdog(timedelta(seconds=watchdog_s))
        self._starts_at = self._ready_at = house.clock.now()
        self._booting = False
        self._sensors: dict[str, float] = {}
        self._remanent: dict[str, float] = {}
        self._stored_at = house.clock.now()
        self._commanded: Mapping[str, Value] = {}
        house.each_minute(self.step)

    # What people and the weather do

    def reboot(self, off_s: float = 20.0, starting_s: float = 60.0) -> None:
        """Restart: refuse connections, then answer 503, then run with the virtual inputs' defaults.

        With trap 90 they come back as they were stored, up to an hour ago.
        """
        now = self.clock.now()
        self._starts_at = now + timedelta(seconds=off_s)
        self._ready_at = self._starts_at + timedelta(seconds=starting_s)
        self._booting = True
        self.step(now)

    def open_window(self, room: str, is_open: bool = True) -> None:
        self.rooms[room].controller.window_open = is_open
        self.step(self.clock.now())

    def lock(self, room: str, locked: bool = True) -> None:
        """A person locks the controller: it ignores the API."""
        self.rooms[room].controller.locked = locked
        self.step(self.clock.now())

    def user_override(self, room: str, celsius: float, minutes: float | None = None) -> None:
        """A person sets a temperature in the app, for some time or without end."""
        now = self.clock.now()
        end = 0 if minutes is None else loxone_time(now + timedelta(minutes=minutes))
        self.rooms[room].controller.override(3, end, celsius, now)
        self.step(now)

    def stop_override(self, room: str) -> None:
        """A person ends whatever override there is."""
        self.rooms[room].controller.stop_override()
        self.step(self.clock.now())

    def set_operating_mode(self, room: str, mode: int) -> None:
        """A person takes the room from its automatic mode, or puts it back."""
        self.rooms[room].controller.operating_mode = mode
        self.step(self.clock.now())

    def rename_room(self, room: str, name: str) -> None:
        """Saved in Loxone Config; uuids stay."""
        self.rooms[room].controller.room = name
        self.saved_at = self.clock.now()

    def replace_controller(self, room: str, uuid: str) -> None:
        """The block is drawn anew: its uuid is another."""
        self.rooms[room].controller.uuid = uuid
        self.saved_at = self.clock.now()

    def sensor_says(self, room: str, celsius: float | None) -> None:
        """A sensor that is broken; None mends it."""
        if celsius is None:
            self._sensors.pop(room, None)
        else:
            self._sensors[room] = celsius

    # What arrives

    def hear_beat(self, count: float) -> None:
        if self.power is Power.READY:
            self._watchdog.hear(count, self.clock.now())
            self.step(self.clock.now())

    def set_relay(self, room: str, value: float) -> None:
        """The virtual input of a relay: 1, 0 or -1 for local."""
        if self.power is Power.READY:
            self.rooms[room].relay_input = value
            self.step(self.clock.now())

    def set_setpoint(self, room: str, celsius: float) -> None:
        """The virtual input of a setpoint; 0: none."""
        if self.power is Power.READY:
            self.rooms[room].setpoint_input = celsius
            self.step(self.clock.now())

    # What is to be seen

    @property
    def power(self) -> Power:
        now = self.clock.now()
        if not self._booting or now >= self._ready_at:
            return Power.READY
        return Power.OFF if now < self._starts_at else Power.STARTING

    @property
    def pems_ok(self) -> bool:
        return self.power is Power.READY and self._watchdog.ok(self.clock.now())

    @property
    def heartbeat(self) -> float:
        """The value of the heartbeat's virtual input."""
        return self._watchdog.count or 0.0

    def view(self, room: str) -> RoomView:
        now, truth, drawn = self.clock.now(), self._house.truth(), self.rooms[room]
        point = f"{self._device}/{room}"
        relay = bool(truth[f"{point}_relay"])
        return RoomView(
            temperature_c=self.temperature_c(room),
            target_c=drawn.controller.target_c(now, drawn.pems_c(self.pems_ok)),
            relay=relay,
            # Trap 84: the floor's own limiter is open, no power flows.
            power_kw=drawn.spec.relay_kw if relay and "84" not in self.traps else 0.0,
            heat_kwh=round(float(truth[f"{point}_heat_kwh"]), 3),
            window=drawn.controller.window_open,
            user=drawn.controller.entry(now) is not None or drawn.controller.operating_mode > 2,
            lock=drawn.controller.locked,
        )

    def temperature_c(self, room: str) -> float:
        """What the sensor says."""
        if "91" in self.traps:
            return STUCK_C
        measured_c = float(self._house.truth()[f"{self._device}/{room}_temperature_c"])
        return self._sensors.get(room, round(measured_c, 1))

    # The program

    async def run(self) -> None:
        """Keep the program going until cancelled."""
        while True:
            self.step(self.clock.now())
            await look_again(self.clock, LOOK_S)

    def step(self, now: datetime) -> None:
        """One pass of the program."""
        if self._booting and now >= self._ready_at:
            self._booting = False
            self._restart()
        settings = self._settings(now)
        if settings != self._commanded:
            self._house.command(self._device, settings)
            self._commanded = settings
        if not self._booting and now - self._stored_at >= SAVED_EVERY:
            self._remanent, self._stored_at = self._inputs(), now

    def store_remanent_values(self) -> None:
        """What the Miniserver does about hourly."""
        self._remanent, self._stored_at = self._inputs(), self.clock.now()

    def _settings(self, now: datetime) -> Mapping[str, Value]:
        if self._booting:
            # Without a program no output is on.
            return {f"{name}_relay": False for name in self.rooms}
        ok = self._watchdog.ok(now)
        return {key: value for room in self.rooms.values() for key, value in room.settings(now, ok).items()}

    def _restart(self) -> None:
        self.boots += 1
        kept = self._remanent if "90" in self.traps else {}
        self._watchdog.restart(kept.get(HEARTBEAT))
        for name, room in self.rooms.items():
            room.restart(kept.get(f"{name}_relay", AUTO), kept.get(f"{name}_setpoint_c", NO_SETPOINT))

    def _inputs(self) -> dict[str, float]:
        inputs = {HEARTBEAT: self.heartbeat}
        for name, room in self.rooms.items():
            inputs |= {f"{name}_relay": room.relay_input, f"{name}_setpoint_c": room.setpoint_input}
        return inputs


async def look_again(clock: Clock, seconds: float) -> None:
    """Wait for seconds of the clock, or a little longer if it passes fast."""
    await clock.sleep(max(seconds, SHORTEST_LOOK_S * clock.speed))

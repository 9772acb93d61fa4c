"""What is asked of the inverter from time to time, because its gateway's telemetry does not say it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from pems_core.clock import Clock
from pems_core.domain import NotDelivered

from .oig_clock import InverterClock
from .oig_gateway import Gateway, Refused
from .oig_image import OigImage
from .oig_payload import shown
from .oig_registers import BATTERY_FIRST, GRID_FIRST, SLOTS, Cell, Registers, holding
from .oig_telemetry import MODES
from .oig_words import EXPORT_LIMIT, EXPORT_MODE, Build, export_enabled

TICK_S = 5.0
AGAIN_AFTER_S = 60.0
"""What failed is asked again after so long."""
MINUTE_S, QUARTER_S, HOUR_S, DAY_S = 60.0, 900.0, 3600.0, 86400.0

CHARGE_FROM_GRID: Mapping[Build, Cell] = {"124": holding(1092), "307": holding(1092), "3000": holding(3049)}
STOP_SOC: Mapping[Build, Mapping[str, Cell]] = {
    "124": {"battery_first": holding(1091), "grid_first": holding(1071)},
    "307": {"battery_first": holding(1091), "grid_first": holding(1071), "load_first": holding(608)},
    "3000": {"battery_first": holding(3048), "grid_first": holding(3037)},
}
PRIORITY: Mapping[Build, Cell] = {"124": ("input", 118), "307": ("input", 118), "3000": ("input", 3144)}
HEALTH: Mapping[Build, Cell] = {"124": ("input", 1096), "307": ("input", 1096), "3000": ("input", 3222)}
HOTTEST_CELL: Cell = ("input", 3218)
SPH_SETTINGS = (*(holding(a) for a in BATTERY_FIRST.values()), *(holding(a) for a in GRID_FIRST.values()))
SETTINGS: Mapping[Build, Sequence[Cell]] = {
    "124": SPH_SETTINGS,
    "307": SPH_SETTINGS,
    "3000": (holding(3037), holding(3048), holding(3049)),
}
EVERYTHING = "battery_first grid_first battery_charge_grid grid_export hold"
"""What a gateway lacks that has none of the words."""


def build_of(commands: object) -> Build | None:
    """Which build of the gateway has these commands; None if it has none that PEMS needs.

    :param commands: names, from `list`.
    :raises NotDelivered: if they are no list of names.
    """
    if not isinstance(commands, list) or not all(isinstance(name, str) for name in commands):
        raise NotDelivered(f"list: commands: found {shown(commands)}; names are needed")
    if "priority/set" in commands:
        return "3000"
    if "batteryfirst/get" in commands:
        return "307" if "loadfirst/set/stopsoc" in commands else "124"
    return None


def mode_by_slots(present: Mapping[Cell, int], now: datetime) -> str:
    """The mode that slots and clock call for; both modes' at once leave it open (protocols E.2, 32).

    :param present: registers as far as they are known.
    :param now: on the inverter's own clock.
    """
    word = now.hour << 8 | now.minute
    called = [
        mode
        for mode, group in (("battery_first", "batteryfirst"), ("grid_first", "gridfirst"))
        if any(_slot_runs(present, SLOTS[group] + 3 * number, word) for number in range(3))
    ]
    return called[0] if len(called) == 1 else "" if called else "load_first"


def _slot_runs(present: Mapping[Cell, int], first: int, word: int) -> bool:
    start, stop, enabled = (present.get(holding(first + offset), 0) for offset in range(3))
    return enabled == 1 and start <= word < stop


@dataclass
class Poll:
    """Something to ask every so often."""

    about: str
    every_s: float
    ask: Callable[[], Awaitable[None]]
    due_at_s: float = 0.0


class Watch:
    """Finds out the build, and asks for mode, settings, clock and health of the battery."""

    def __init__(
        self, gateway: Gateway, registers: Registers, inverter_clock: InverterClock, image: OigImage, clock: Clock
    ) -> None:
        self._gateway = gateway
        self._registers = registers
        self._inverter_clock = inverter_clock
        self._image = image
        self._clock = clock
        self._found: Build | None = None
        self._asked = False
        self.polls = (
            Poll("commands", DAY_S, self._ask_build),
            Poll("mode", MINUTE_S, self._ask_mode),
            Poll("feed-in", 5 * MINUTE_S, self._ask_export),
            Poll("settings", 5 * MINUTE_S, self._ask_settings),
            Poll("clock", HOUR_S, self._ask_clock),
            Poll("health of the battery", DAY_S, self._ask_health),
            Poll("temperature of the battery", MINUTE_S, self._ask_temperature),
        )

    def begin_anew(self) -> None:
        """The gateway may be another now: forget what it can and what it said."""
        self._asked = False
        self._registers.forget()
        for poll in self.polls:
            poll.due_at_s = 0.0

    async def build(self) -> Build:
        """The gateway's build.

        :raises NotDelivered: if it does not say, or has no word that PEMS needs.
        """
        if not self._asked:
            await self._ask_build()
        if self._found is None:
            raise NotDelivered("the gateway's build has no commands for a battery; 124, 307 or 3000 is needed")
        return self._found

    async def _ask_build(self) -> None:
        try:
            self._found = build_of((await self._gateway.read("list")).get("commands"))
        except Refused:
            # A gateway too old to list its commands tells its build by the names in its telemetry.
            builds: Mapping[str, Build] = {"124": "124", "307": "307", "3000": "3000"}
            self._found = builds.get(self._image.build)
        self._asked = True
        self._registers.grouped = self._found != "3000"
        self._image.put("lacks", "" if self._found else EVERYTHING, "", self._clock.now())

    async def _ask_mode(self) -> None:
        build = await self.build()
        if self._image.tells_mode:
            return
        try:
            present = await self._registers.read([PRIORITY[build]], MINUTE_S / 2)
            mode = MODES.get(present[PRIORITY[build]], "")
        except Refused:
            mode = await self._mode_by_slots(build)
        if mode:
            self._image.put("mode", mode, "", self._clock.now())
        else:
            self._image.drop("mode")

    async def _mode_by_slots(self, build: Build) -> str:
        if build == "3000":
            return ""
        await self._registers.read(SETTINGS[build], 5 * MINUTE_S)
        known = self._registers.all_known
        return mode_by_slots(known, self._inverter_clock.now)

    async def _ask_export(self) -> None:
        await self.build()
        await self._registers.read([EXPORT_MODE, EXPORT_LIMIT], MINUTE_S)
        self.tell_settings()

    async def _ask_settings(self) -> None:
        await self._registers.read(SETTINGS[await self.build()], MINUTE_S)
        self.tell_settings()

    async def _ask_clock(self) -> None:
        offset_s = await self._inverter_clock.measure()
        self._image.put("clock_offset_s", offset_s, "s", self._clock.now())

    async def _ask_health(self) -> None:
        cell = HEALTH[await self.build()]
        percent = (await self._registers.read([cell], HOUR_S))[cell]
        if 0 < percent <= 100:
            self._image.put("soh", percent / 100, "share", self._clock.now())

    async def _ask_temperature(self) -> None:
        """Telemetry of build 3000 has the converter's temperatures, not the battery's (protocols A.4)."""
        if await self.build() != "3000":
            return
        tenths = (await self._registers.read([HOTTEST_CELL], MINUTE_S / 2))[HOTTEST_CELL]
        temperature_c = (tenths - 0x10000 if tenths >= 0x8000 else tenths) / 10
        if -40 <= temperature_c <= 100:
            self._image.put("battery_temperature_c", temperature_c, "°C", self._clock.now())

    def tell_settings(self) -> None:
        """Make readings of the registers that were read last."""
        known, now = self._registers.all_known, self._clock.now()
        if EXPORT_MODE in known and EXPORT_LIMIT in known:
            self._image.put("grid_export", export_enabled(known[EXPORT_MODE], known[EXPORT_LIMIT]), "", now)
        if self._found is None:
            return
        if (cell := CHARGE_FROM_GRID[self._found]) in known:
            self._image.put("battery_charge_grid", known[cell] == 1, "", now)
        stop = STOP_SOC[self._found].get(self._image.mode)
        if stop is not None and stop in known:
            self._image.put("stop_soc", known[stop] / 100, "share", now)

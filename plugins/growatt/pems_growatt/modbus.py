"""A Growatt inverter over Modbus: probed, polled, and told in the words of `words` (protocols A.1-A.10, D.1-D.3).

What it is, is found by asking (`probe`); what it measures is read by `meter`; which registers a word means is in
`tell_slots`, `tell_vpp` and `tell_common`; how they are written is in `teller`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from pems_core.alerts import AlertBook
from pems_core.domain import Alert, Command, NotDelivered, NotNow, Reading, Receipt, Severity, Stage, Value
from pems_core.transport.lines import Lines, ModbusLine
from pems_core.transport.urgency import commands_first

from .control import MOST_OFFSET_S, Control, Permissions
from .fault_texts import METER_LOST
from .meter import AnotherUnit, Meter, tell_faults
from .plausible import Ratings
from .probe import Family, UnknownUnit, probe
from .tell_common import RESERVE_UNSURE, CannotTell, CannotTellNow
from .teller import Refused, told
from .words import BATTERY_WORDS, Word

LEAST_PERIOD_S, SUGGESTED_PERIOD_S = 0.85, 1.0
"""Between two requests, whatever they ask for (A.1 "Minimum command period"): the documented minimum, which is left
before what a person waits for, and what the vendor suggests, which is left otherwise."""
GRID_POWERS = ("import_kw", "export_kw", "load_kw")
SILENT_AFTER = 3
"""Polls without an answer after which a unit is off."""
PROBE_AGAIN_AFTER = 10
"""Polls that read another unit, after which it is probed anew."""
BACK_ON_GRID = timedelta(minutes=5)
"""How long nothing is commanded after the grid has come back (E.3)."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Where a unit is and how it is asked."""

    url: str
    unit: int = 1
    family: Family | None = None
    """None: found by probing."""
    poll_s: float = 30.0
    """From the begin of a poll to that of the next."""
    spacing_s: float = 1.0
    timeout_s: float = 3.0


class GrowattModbus:
    """The conversation with one inverter."""

    name = "growatt_modbus"

    def __init__(
        self,
        device: str,
        connection: Connection,
        ratings: Ratings,
        timezone: str,
        permissions: Permissions | None = None,
    ) -> None:
        """
        :param timezone: the zone that the inverter's clock runs in.
        """
        self.devices: Sequence[str] = (device,)
        self._device = device
        self._connection = connection
        self._ratings = ratings
        self._zone = ZoneInfo(timezone)
        self._permissions = permissions or Permissions()
        self._alerts = AlertBook(device)
        self._lines: Lines | None = None
        self._meter: Meter | None = None
        self._control: Control | None = None
        self._silent = self._strange = 0
        self._off_grid_at: datetime | None = None

    async def run(self, lines: Lines) -> None:
        """As `Transport.run`: probe until something answers, then poll."""
        lines.wear.limit(self._device, self._permissions.writes_per_day, self._permissions.most_writes_per_day)
        line, at = self.line(lines), self._connection
        while True:
            next_s = lines.clock.elapsed_s() + at.poll_s
            await self.poll(lines, line)
            await lines.clock.sleep(max(at.spacing_s, next_s - lines.clock.elapsed_s()))

    def line(self, lines: Lines) -> ModbusLine:
        """The line to the unit."""
        at = self._connection
        # Who leaves more than the vendor suggests has a reason, which holds for all.
        hurried_s = min(at.spacing_s, LEAST_PERIOD_S) if at.spacing_s <= SUGGESTED_PERIOD_S else None
        return lines.modbus(at.url, at.unit, spacing_s=at.spacing_s, timeout_s=at.timeout_s, hurried_s=hurried_s)

    async def send(self, command: Command) -> Receipt:
        """As `Transport.send`."""
        with commands_first():
            return await self._send(command)

    async def _send(self, command: Command) -> Receipt:
        control = self._ready(command)
        try:
            word = Word.of(command)
        except ValueError as error:
            return self._receipt(command, Stage.REJECTED, str(error))
        refusal = None if command.releases else self._refusal(word)
        if refusal:
            raise NotNow(refusal)
        try:
            settled = await control.tell(command, word)
        except CannotTellNow as cause:
            raise NotNow(str(cause)) from cause
        except (CannotTell, Refused) as error:
            return self._receipt(command, Stage.REJECTED, str(error))
        return self._receipt(command, settled.stage, settled.detail)

    async def check(self, command: Command) -> Receipt:
        """As `Transport.check`; of what an earlier run of PEMS said nothing is known."""
        wrong = await self._ready(command).wrong(command)
        if wrong is None:
            return self._receipt(command, Stage.SENT, "nothing is known of it")
        if wrong.found:
            return self._receipt(command, Stage.REVERTED, told(wrong.found, wrong.expected))
        return self._receipt(command, Stage.READBACK_OK, "it still holds")

    async def beat(self, count: int) -> None:
        """Nothing in these inverters watches PEMS (A.8): slots and remote control end by their own time."""

    def readings(self) -> Mapping[str, Reading]:
        return self._meter.readings if self._meter else {}

    @property
    def alerts(self) -> Sequence[Alert]:
        return self._alerts.all

    def _ready(self, command: Command) -> Control:
        if self._control is None:
            raise NotDelivered(f"{command.device}: {self._connection.url} was not probed yet")
        return self._control

    def _refusal(self, word: Word) -> str | None:
        if self._off_grid_at is None or word.name not in BATTERY_WORDS:
            return None
        since = self._now() - self._off_grid_at
        if since >= BACK_ON_GRID:
            return None
        return f"it was off grid {since.total_seconds() / 60:.0f} min ago; commands are allowed 5 min after that"

    def _receipt(self, command: Command, stage: Stage, detail: str) -> Receipt:
        return Receipt(command, stage, self._now(), detail)

    def _now(self) -> datetime:
        assert self._lines is not None
        return self._lines.clock.now()

    async def poll(self, lines: Lines, line: ModbusLine) -> None:
        """Read once what there is to read, after finding out what is there; what fails is an alert."""
        self._lines = lines
        try:
            if self._meter is None:
                await self._probe(lines, line)
            if self._meter is not None and self._control is not None:
                self._heard(await self._meter.poll(), self._meter)
                self._tell_clock(self._meter)
                await self._control.keep_up()
                self._alerts.clear("keep_up")
        except AnotherUnit as strange:
            self._heard_strange(str(strange))
        except Refused as refused:
            text = f"remote control is not as it should be: {refused}; it is tried again"
            self._alerts.put("keep_up", text, self._now(), Severity.CRITICAL)
        except UnknownUnit as unknown:
            self._alerts.put("unit", str(unknown), self._now(), Severity.CRITICAL)
        except NotDelivered as silent:
            self._heard_nothing(str(silent))

    async def _probe(self, lines: Lines, line: ModbusLine) -> None:
        unit = await probe(line, self._connection.family or "probe")
        unit.reserve_checked = self._permissions.reserve_register_checked or unit.table.family not in RESERVE_UNSURE
        meter = Meter(self._device, unit, line, lines.clock, self._zone, self._ratings)
        spacing_s = self._connection.spacing_s
        self._control = Control(
            self._device, meter, line, lines, self._zone, self._permissions, self._alerts, spacing_s
        )
        meter.publish_lacks()
        self._meter = meter
        self._alerts.clear("unit")

    def _heard(self, found: Mapping[str, Value], meter: Meter) -> None:
        self._silent = self._strange = 0
        self._alerts.clear("silent", "strange")
        now = self._now()
        tell_faults(self._alerts, found, now)
        if found.get("warning") == METER_LOST:
            # They read 0 then, and nothing else tells (A.10 number 5).
            meter.distrust(*GRID_POWERS)
        if found.get("status") == "off_grid":
            self._off_grid_at = now

    def _heard_strange(self, text: str) -> None:
        self._strange += 1
        self._alerts.put("strange", text, self._now())
        if self._strange >= PROBE_AGAIN_AFTER:
            self._meter = self._control = None
            self._strange = 0

    def _heard_nothing(self, text: str) -> None:
        self._silent += 1
        if self._silent < SILENT_AFTER:
            return
        # A unit without a battery switches its communication off at night: expected, no fault (D.3).
        severity = Severity.WARNING if self._ratings.battery_kwh else Severity.INFO
        self._alerts.put("silent", f"does not answer: {text}", self._now(), severity)
        if self._meter is not None:
            self._meter.publish_off()

    def _tell_clock(self, meter: Meter) -> None:
        offset_s = meter.clock_offset_s
        wrong = offset_s is not None and abs(offset_s) > MOST_OFFSET_S
        text = f"its clock is {offset_s:+.0f} s off: no slots are set while it is" if wrong else ""
        self._alerts.tell("clock", text, self._now())

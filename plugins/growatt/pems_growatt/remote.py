"""Remote power control between commands (A.6): the unit's own timer is no promise, and a command may do nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pems_core.alerts import AlertBook
from pems_core.clock import Clock

from .meter import Meter
from .tell_vpp import VppFamily
from .teller import Teller
from .words import Word
from .writes import Settings, Write, word, write

GRACE = timedelta(seconds=5)
EFFECT_AFTER = timedelta(minutes=3)
NO_EFFECT_KW = 0.1
LEAST_PERCENT = 5
NEAR_STOP = 0.02
TAPERS_FROM = 0.92
"""From here charging slows down by itself (E.3)."""
REMOTE = ("authority", "remote_enable", "remote_power", "remote_minutes", "ac_charge")


@dataclass
class _Armed:
    percent: int
    minutes: int
    until: datetime
    since: datetime
    stop: float
    armed_anew: bool = False


class RemoteControl:
    """Ends remote control when its time has come, and arms it once more if nothing comes of it."""

    def __init__(self, family: VppFamily, meter: Meter, teller: Teller, clock: Clock, alerts: AlertBook) -> None:
        self._family, self._meter, self._teller, self._clock, self._alerts = family, meter, teller, clock, alerts
        self._armed: _Armed | None = None

    def goes_on(self, said: Word, writes: Sequence[Write], settings: Settings) -> bool:
        """Whether what these writes would arm is armed already, for long enough: a repetition may deliver 0 W."""
        armed = self._armed
        if armed is None or said.until is None or word(settings, "remote_enable") != 1:
            return False
        values = {each.names[0]: each.values for each in writes}
        lasts_until = armed.since + timedelta(minutes=armed.minutes)
        return values.get("remote_power") == settings.get("remote_power") and said.until <= lasts_until + GRACE

    def told(self, said: Word, writes: Sequence[Write], *, goes_on: bool) -> None:
        """A word was carried out by these writes.

        :param goes_on: what was armed before stays so.
        """
        if goes_on and self._armed is not None and said.until is not None:
            self._armed.until = said.until
            return
        values = {each.names[0]: each.values[0] for each in writes}
        if values.get("remote_enable") != 1 or said.until is None:
            self._armed = None
            self._alerts.clear("remote")
            return
        percent = values["remote_power"] - 0x10000 if values["remote_power"] >= 0x8000 else values["remote_power"]
        stop = (said.stop_soc or (100 if percent > 0 else 0)) / 100
        self._armed = _Armed(percent, values["remote_minutes"], said.until, self._clock.now(), stop)

    async def keep_up(self) -> None:
        """End what is over; arm once more what has no effect.

        :raises NotDelivered: if the unit does not answer.
        :raises Refused: if it does not take that; it is tried again at the next poll.
        """
        armed = self._armed
        if armed is None:
            return
        if self._clock.now() > armed.until + GRACE:
            await self._end(armed)
        elif self._has_no_effect(armed):
            await self._arm_anew(armed)
        elif abs(self._meter.values.get("battery_kw", 0.0)) >= NO_EFFECT_KW:
            self._alerts.clear("remote")

    async def _end(self, armed: _Armed) -> None:
        settings = await self._meter.read_settings(*REMOTE)
        if self._armed is not armed:
            # A command was carried out while this waited for the bus: it has said what holds now.
            return
        await self._teller.tell(self._family.disarm(settings), settings, releases=True)
        self._armed = None
        self._alerts.clear("remote")

    async def _arm_anew(self, armed: _Armed) -> None:
        """A repeated identical command delivered 0 W once (A.6): remote control is switched off and on again."""
        if armed.armed_anew:
            text = "remote control has no effect, although it was armed once more"
            self._alerts.put("remote", text, self._clock.now())
            return
        table = self._meter.unit.table
        values = (("remote_enable", 0), ("remote_power", armed.percent), ("remote_minutes", armed.minutes))
        writes = [write(table, name, value, always=True) for name, value in (*values, ("remote_enable", 1))]
        await self._teller.make(writes, releases=False)
        armed.armed_anew, armed.since = True, self._clock.now()

    def _has_no_effect(self, armed: _Armed) -> bool:
        """No power though one was told, and nothing that explains it."""
        values = self._meter.values
        soc, power_kw = values.get("soc"), values.get("battery_kw")
        if soc is None or power_kw is None or self._clock.now() - armed.since < EFFECT_AFTER:
            return False
        charging = armed.percent > 0
        limit_kw = values.get("charge_limit" if charging else "discharge_limit", 1.0)
        share = soc / 100
        left = armed.stop - share if charging else share - armed.stop
        explained = left <= NEAR_STOP or limit_kw <= NO_EFFECT_KW or (charging and share >= TAPERS_FROM)
        return abs(armed.percent) >= LEAST_PERCENT and not explained and abs(power_kw) < NO_EFFECT_KW

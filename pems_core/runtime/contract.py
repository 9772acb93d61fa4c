"""The MQTT contract: what PEMS tells on its topics, and what it hears there."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from importlib.metadata import version

from pems_core.alerting.judge import News, key
from pems_core.commanding.told import WISH
from pems_core.cycle import decisions_at
from pems_core.domain import Alert, BadSetting, Command, CycleReport, Decision, HeatingSpec, SiteState, Value
from pems_core.domain.errors import Faults
from pems_core.protocols import Device
from pems_core.transport.lines import MqttLine, MqttMessage

from .live import Live
from .outbox import Outbox
from .requests import Requests, told
from .site_words import comfort_words, site_words
from .words import (
    alert_words,
    controls_words,
    decision_words,
    error_words,
    instant,
    known_words,
    override_words,
    plan_words,
    price_words,
    state_words,
    wires,
)

log = logging.getLogger(__name__)

ASKED = ("override/set", "override/clear", "emergency/set", "stage/set", "prices/set", "alert/ack")
ANSWERED = ("applied/+/+", "carrier")
"""What Node-RED tells of what it carries."""
HEARD = (*ASKED, *ANSWERED)
TOLD = (
    "status", "heartbeat", "site", "plan", "price", "savings", "emergency", "alert", "alerts", "error",
    "comfort/+", "state/+", "controls/+", "release/+", "lease/+", "carry/+", "decision/+/+", "override/+/+",
)  # fmt: skip
"""What PEMS tells below its prefix; Node-RED's nodes and the tests of the flows hold to it."""
VERSION = version("pems")
STATE_EVERY_S = 30.0
"""[s of the clock]"""
CATALOGUE_EVERY_S = 3600.0
"""The messages of an option name times of the day [s of the clock]."""
LEAST_WAIT_S = 0.2
"""However fast the clock is [s of the wall]."""


def last_words(at: datetime) -> dict[str, object]:
    """What `status` says when nobody is there to say anything; `since` is when this PEMS began."""
    return {"state": "offline", "stage": {}, "rung": None, "version": VERSION, "since": instant(at)}


@dataclass
class Contract:
    """Speaks and listens below `<prefix>/<site>/`."""

    live: Live
    outbox: Outbox
    requests: Requests
    prefix: str
    alerts: Callable[[], Sequence[Alert]]
    """All that is wrong now."""
    told: Sequence[Callable[[News], None]] = ()
    """Those who hear which alerts began and ended."""
    since: datetime = field(init=False)
    _controls_told: set[tuple[str, str]] = field(default_factory=set)
    _overrides_told: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.since = self.live.now
        # What an engine left behind that was killed is retained still: whatever is not said anew is taken back.
        controls = [(d.name, c.name) for d in self.live.commanded.values() for c in d.controls()]
        self._controls_told = set(controls)
        self._overrides_told = {f"override/{device}/{control}" for device, control in controls}

    # What is heard

    async def listen(self, line: MqttLine) -> None:
        """Take requests until cancelled."""
        await asyncio.gather(*(self._listen_to(line, topic) for topic in ASKED))

    async def listen_to_carrier(self, line: MqttLine) -> None:
        """Hear until cancelled what became of messages that Node-RED carries."""
        await asyncio.gather(*(self._listen_to(line, topic) for topic in ANSWERED))

    async def _listen_to(self, line: MqttLine, topic: str) -> None:
        async with line.messages(f"{self.prefix}/{topic}", qos=1) as messages:
            async for message in messages:
                self._take(message)

    def _take(self, message: MqttMessage) -> None:
        topic = message.topic.removeprefix(f"{self.prefix}/")
        if not message.payload and message.retained:
            return
        if message.retained and not topic.startswith("applied/"):
            # It would be asked anew at each start, long after anybody wanted it.
            self._refuse(topic, [f"{topic}: found a retained message; allowed: one that is not retained"])
            return
        try:
            self.requests.take(topic, message.payload)
        except Faults as fault:
            self._refuse(topic, told(fault))
        except Exception as error:  # noqa: BLE001 - a defect costs this message; those after it must be heard
            self._refuse(topic, told(error))
            self.live.alerts.begin(f"request {topic}", f"{type(error).__name__}: {error}")
        else:
            self.live.alerts.end(f"request {topic}")

    def _refuse(self, topic: str, faults: Sequence[str]) -> None:
        self.outbox.tell("error", error_words(topic, faults, self.live.now))

    # What is told

    async def tell(self) -> None:
        """Tell what is so, now and then until cancelled; what matters is told at once besides."""
        last_catalogue_s = -CATALOGUE_EVERY_S
        clock = self.live.clock
        self.outbox.keep("site", site_words(self.live.house))
        while True:
            if clock.elapsed_s() - last_catalogue_s >= CATALOGUE_EVERY_S and self.live.state.devices:
                last_catalogue_s = clock.elapsed_s()
                await self._tell_catalogues()
            for device in self.live.devices:
                fault = self.live.state.faults.get(device.name, "")
                self.outbox.keep(f"state/{device.name}", state_words(device.name, self.live.readings, fault))
            self.outbox.keep("state/site", state_words("site", self.live.readings, ""))
            await clock.sleep(max(STATE_EVERY_S, LEAST_WAIT_S * clock.speed))

    async def tell_changes(self) -> None:
        """Tell alerts, overrides and status as soon as they change, until cancelled."""
        while True:
            self.changes()
            await asyncio.sleep(LEAST_WAIT_S)

    def changes(self) -> None:
        """What people see of overrides, emergency stop, status and alerts."""
        news = self.live.alerts.news(self.alerts())
        for alert in news.begun:
            log.warning("%s: %s", alert.place, alert.text)
            self.outbox.tell("alert", alert_words(alert))
        for alert in news.over:
            self.outbox.tell("alert", alert_words(alert, over=True))
        self._tell_alerts()
        for hear in self.told if news else ():
            hear(news)
        self._tell_leases()
        self._tell_overrides()
        self._tell_emergency()
        self._tell_status()

    async def cycle(self, report: CycleReport) -> None:
        """The plan and what follows from it."""
        currency = self.live.house.site.currency
        self.outbox.keep("plan", plan_words(report.plan, report.decisions, currency))
        self.outbox.keep("price", price_words(report.plan, currency))
        for name, spec in self.live.house.equipment.items():
            if isinstance(spec, HeatingSpec):
                self.outbox.keep(f"comfort/{name}", comfort_words(name, spec, report.plan.horizon))
        self._tell_decisions(report)
        self.changes()

    def withdraw(self) -> None:
        """Nothing is decided any more: the devices are given back."""
        for device, control in self._controls_told:
            self.outbox.keep(f"decision/{device}/{control}", None)
        self._controls_told = set()

    def _tell_status(self) -> None:
        live = self.live
        latch = live.commanding.emergency.latch
        state = "stopped" if latch else "running" if live.followed else "starting"
        self.outbox.keep(
            "status",
            {
                "state": state if live.health.healthy or state != "running" else "unhealthy",
                "stage": {name: live.commanding.stages.of(name) for name in live.commanded},
                "rung": str(live.followed.plan.rung) if live.followed else None,
                "version": VERSION,
                "since": instant(self.since),
            },
        )

    def _tell_alerts(self) -> None:
        alerts, known = self.live.alerts.in_force, self.live.alerts.judge.acknowledged
        ordered = sorted(alerts, key=lambda alert: (alert.place, alert.rule))
        self.outbox.keep("alerts", {"alerts": [alert_words(a) | known_words(known.get(key(a))) for a in ordered]})

    def _tell_leases(self) -> None:
        """Until when each device does what it was told, should nobody be there to renew it."""
        wishes = self.live.commanding.store.kept(WISH)
        for name in self.live.commanded:
            wish = wishes.get(name)
            until = None if wish is None else instant(datetime.fromisoformat(wish["valid_until"]))
            said = None if wish is None else {"device": name, "until": until, "source": wish["source"]}
            self.outbox.keep(f"lease/{name}", said)

    def _tell_emergency(self) -> None:
        latch = self.live.commanding.emergency.latch
        said = {"stopped": False} if latch is None else {"stopped": True, "by": latch.by, "reason": latch.reason}
        self.outbox.keep("emergency", said | ({"at": instant(latch.at)} if latch else {}))

    def _tell_overrides(self) -> None:
        currency = self.live.house.site.currency
        now = {
            f"override/{active.override.device}/{active.override.control}": override_words(
                active.override, active.costs, currency, active.set_at
            )
            for active in self.live.commanding.overrides.active
        }
        for topic in self._overrides_told - set(now):
            self.outbox.keep(topic, None)
        for topic, words in now.items():
            self.outbox.keep(topic, words)
        self._overrides_told = set(now)

    def _tell_decisions(self, report: CycleReport) -> None:
        told_now: set[tuple[str, str]] = set()
        for decision, commands in self._decisions_in_force(report):
            told_now.add((decision.device, decision.control))
            topic = f"decision/{decision.device}/{decision.control}"
            self.outbox.keep(topic, decision_words(decision, commands))
        for device, control in self._controls_told - told_now:
            self.outbox.keep(f"decision/{device}/{control}", None)
        self._controls_told = told_now

    def _decisions_in_force(self, report: CycleReport) -> Iterable[tuple[Decision, Sequence[Command]]]:
        """The decisions that hold now, as the plan or a person has it, each with the messages of its device."""
        now = self.live.now
        holding = [d for d in report.decisions if d.holds(now)]
        if not holding:
            holding = decisions_at(report.plan, self.live.devices, report.state, now)
        by_device: dict[str, list[Decision]] = {}
        for decision in holding:
            by_device.setdefault(decision.device, []).append(self._by_hand(decision, now))
        for name, decisions in by_device.items():
            commands = self._encoded(self.live.commanded[name], decisions, report.state)
            yield from ((decision, commands) for decision in decisions)

    def _encoded(self, device: Device, decisions: Sequence[Decision], state: SiteState) -> Sequence[Command]:
        """A device's messages; none, and an alert, if a plugin fails at it: the other devices are told all the same."""
        place = f"{device.name} messages"
        try:
            commands = _encoded(device, decisions, state)
        except Exception as error:  # noqa: BLE001 - a plugin's own error
            self.live.alerts.begin(place, f"{type(error).__name__}: {error}")
            return ()
        self.live.alerts.end(place)
        return commands

    def _by_hand(self, decision: Decision, now: datetime) -> Decision:
        override = replace(self.live.state, overrides=tuple(self.live.commanding.overrides.in_force())).override(
            decision.device, decision.control, now
        )
        if override is None:
            return decision
        return replace(
            decision,
            value=override.value,
            valid_from=override.valid_from,
            valid_until=override.valid_until,
            source="override",
        )

    async def _tell_catalogues(self) -> None:
        state = self.live.state
        for device in self.live.commanded.values():
            # Hundreds of messages are worded: not in the loop that everybody waits for.
            place = f"{device.name} controls"
            try:
                words = await asyncio.to_thread(controls_words, device, state)
                self.outbox.keep(f"controls/{device.name}", words)
                self.outbox.keep(f"release/{device.name}", {"device": device.name, "wire": wires(device.release())})
            except Exception as error:  # noqa: BLE001 - a plugin's own error takes its words, not those of others
                self.live.alerts.begin(place, f"{type(error).__name__}: {error}")
            else:
                self.live.alerts.end(place)


def _encoded(device: Device, decisions: Sequence[Decision], state: SiteState) -> Sequence[Command]:
    settings: dict[str, Value] = {decision.control: decision.value for decision in decisions}
    first = max(decision.valid_from for decision in decisions)
    until = max(min(decision.valid_until for decision in decisions), first + timedelta(minutes=1))
    try:
        return device.encode(settings, first, until, state)
    except BadSetting:
        # What PEMS itself may not send it does not hand to others either.
        return ()

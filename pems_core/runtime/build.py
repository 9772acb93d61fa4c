"""From a house file to an engine that can run."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pluggy

from pems_core.alerting.judge import Judge
from pems_core.alerting.letters import Habits
from pems_core.alerting.measured import ErrorTrend
from pems_core.alerting.post import Post
from pems_core.clock import Clock
from pems_core.commanding.dispatcher import Dispatcher
from pems_core.commanding.emergency import EmergencyStop
from pems_core.commanding.guard import Guard
from pems_core.commanding.overrides import BELONGS_TO_MODE, Overrides
from pems_core.commanding.stages import Stages
from pems_core.commanding.store import Store
from pems_core.commanding.wear import RelayBook, StoredWearBook
from pems_core.config import (
    AlertsSection,
    Config,
    ConfigError,
    CyclesSection,
    InfluxSection,
    LearningSection,
    MqttSection,
    NodeRedSection,
    NotificationsSection,
    RecordingSection,
    StagesSection,
    StateSection,
    did_you_mean,
)
from pems_core.cycle import Site
from pems_core.domain import CycleReport, HybridInverterSpec, Receipt, Severity
from pems_core.forecasting.chain import ranked
from pems_core.learning.equipping import device_models
from pems_core.learning.registry import ModelRegistry
from pems_core.learning.versioned import LearningForecaster, Versioned
from pems_core.planning.planner import Planner
from pems_core.plugins import create_forecasters, create_sources, create_transports, tell_finished
from pems_core.protocols import Device, Forecaster, Transport
from pems_core.recording.ledger.ledger import Ledger
from pems_core.recording.ledger.retention import Retention
from pems_core.recording.ledger.scribe import Scribe
from pems_core.site import HouseFile, read_house
from pems_core.sourcing.book import VintageBook
from pems_core.transport.dry_run import DryRun
from pems_core.transport.house_lines import HouseLines
from pems_core.transport.image import ProcessImage

from .alerts import HouseAlerts
from .carriage import NodeRedCarriage, carried
from .chronicle import Chronicle
from .contract import last_words
from .engine import Engine, Watcher
from .feeds import Feeds
from .health import Health
from .history import Recorder
from .house_record import house_record
from .house_rules import HouseRules
from .learning import Learning
from .live import Commanding, Live
from .notifying import Notifier
from .outbox import as_text
from .patience import BoundedPlanner
from .plans_apart import PlannerApart
from .prices import FILE, PriceBook
from .recording import Recording
from .savings import Savings
from .state_folder import StateFolder
from .till import Till
from .triggers import Triggers

SAMPLE_EVERY_S = 60.0
"""[s of the clock]"""


@dataclass
class Blueprint:
    """What an engine is built from.

    :param beside: the folder of the house file: prices and a relative state folder lie there.
    :param forecasters: in front of those of the plugins.
    """

    config: Config
    manager: pluggy.PluginManager
    clock: Clock
    beside: Path
    forecasters: Sequence[Forecaster] = ()
    patience_s: float | None = None
    """How long a plan is waited for [s of the wall]; None: by the solver's time limit."""
    dry_run: bool = False
    """True: listen to the devices, and tell them nothing."""
    plans_apart: bool = False
    """True: plan in a process of its own."""
    house: HouseFile = field(init=False)

    def __post_init__(self) -> None:
        self.house = read_house(self.config, self.manager)
        self._require_carried_are_known()
        self._require_whole_modes()

    def _require_carried_are_known(self) -> None:
        carried_devices = self.config[NodeRedSection].carries
        known = [device.name for device in self.house.house.devices if device.controls()]
        faults = [
            f"nodered.carries: found {name!r}; allowed: {', '.join(known) or 'none'}{did_you_mean(name, known)}"
            for name in carried_devices
            if name not in known
        ]
        if carried_devices and self.mqtt_section is None:
            faults.append("nodered.carries: found devices in a house without [mqtt]; allowed: with a broker")
        if faults:
            raise ConfigError(faults)

    def _require_whole_modes(self) -> None:
        """What a device of limited trust may be told: controls that it has, and a mode only with what runs it."""
        faults = []
        for device in self.house.house.devices:
            controls = {control.name for control in device.controls()}
            allowed = self.config[StagesSection].allow.get(device.name, ())
            place = f"stages.allow.{device.name}"
            all_of_it = ", ".join(sorted(controls)) or "none"
            faults += [
                f"{place}: found {name!r}; allowed: {all_of_it}{did_you_mean(name, controls)}"
                for name in allowed
                if name not in controls
            ]
            missing = [name for name in BELONGS_TO_MODE if name in controls and name not in allowed]
            if "mode" in allowed and missing:
                faults.append(f"{place}: found 'mode' without {', '.join(missing)}; allowed: with all that runs a mode")
        if faults:
            raise ConfigError(faults)

    @property
    def folder(self) -> StateFolder:
        return StateFolder(self.config[StateSection].path(self.beside))

    @property
    def models(self) -> ModelRegistry:
        """What was learned of this house."""
        return ModelRegistry(self.folder.models)

    @property
    def mqtt_section(self) -> MqttSection | None:
        """None if the house has no broker."""
        section = self.config.get(MqttSection)
        return None if section is None else section.beside(self.beside)

    @property
    def prefix(self) -> str:
        """Of every topic: `pems/<site>`."""
        return f"{self.mqtt_section.prefix if self.mqtt_section else 'pems'}/{self.house.site.name}"

    def transports(self) -> Sequence[Transport]:
        transports = create_transports(self.manager, self.config)
        return [DryRun(transport, self.clock) for transport in transports] if self.dry_run else transports

    def commanding(
        self, store: Store, transports: Sequence[Transport], observer: Callable[[Receipt], None]
    ) -> Commanding:
        """The life of commands of this house."""
        devices: Sequence[Device] = self.house.house.devices
        emergency = EmergencyStop(store, self.clock)
        stages = Stages(self.config[StagesSection], store, self.clock)
        relays = RelayBook(store, self.clock)
        guard = Guard(devices, stages, emergency, relays, store, self.clock, given_back=self.folder.given_back)
        return Commanding(
            store=store,
            wear=StoredWearBook(store, self.clock),
            emergency=emergency,
            overrides=Overrides(store, devices, self.clock),
            stages=stages,
            dispatcher=Dispatcher(devices, transports, guard, store, self.clock, observer),
        )

    def live(self, store: Store) -> Live:
        """The house with all its parts."""
        house = self.house
        carriage = NodeRedCarriage(self.config[NodeRedSection], self.prefix, self.clock)
        transports = [carried(transport, carriage) for transport in self.transports()]
        receipts: list[Receipt] = []
        chain = ranked(create_forecasters(self.manager, self.config))
        forecasters = [*self.forecasters, *(self._versioned(forecaster) for forecaster in chain)]
        planner = BoundedPlanner(
            house.house, house.options, self.patience_s, PlannerApart if self.plans_apart else Planner
        )
        planner.remember(store.last_plan())
        site = Site(house.house.devices, forecasters, planner, house.site.timezone, house.site.currency)
        inverters = [d.name for d in house.house.devices if isinstance(d.equipment, HybridInverterSpec)]
        prices = PriceBook(store, self.beside / FILE, house.site.currency, house.eur_rate)
        alerts = HouseAlerts(self.clock, store, Judge(frozenset(self.config[AlertsSection].without)))
        triggers = Triggers(self.clock)
        return Live(
            house=house,
            site=site,
            transports=transports,
            clock=self.clock,
            commanding=self.commanding(store, transports, receipts.append),
            image=ProcessImage(inverters=inverters),
            recorder=Recorder(house.equipment, store),
            prices=prices,
            triggers=triggers,
            carriage=carriage,
            health=Health(self.clock),
            alerts=alerts,
            feeds=self.feeds(prices, alerts, triggers),
            receipts=receipts,
        )

    def feeds(self, prices: PriceBook, alerts: HouseAlerts, triggers: Triggers) -> Feeds | None:
        """Who asks others for weather, prices and exchange rates; None if nobody is to be asked."""
        sources = create_sources(self.manager, self.config)
        if not sources:
            return None
        return Feeds(
            sources=sources,
            book=VintageBook(self.folder.sources, self.clock),
            prices=prices,
            alerts=alerts,
            triggers=triggers,
            clock=self.clock,
            currency=self.house.site.currency,
            eur_rate=self.house.eur_rate,
            price_change_per_kwh=self.config[CyclesSection].price_change_per_kwh,
        )

    def engine(self, store: Store) -> Engine:
        """The engine of this house.

        :raises ConfigError: if the broker's address or certificates cannot be used.
        """
        live = self.live(store)
        section = self.mqtt_section
        will = (f"{self.prefix}/status", as_text(last_words(self.clock.now())))
        lines = HouseLines(section, self.clock, live.commanding.wear, f"pems-{self.house.site.name}", will)
        alerts = self.config[AlertsSection]
        trend = ErrorTrend(alerts.model_error_factor)
        recording, rules = self.recording(live, trend), HouseRules(live, alerts, self.folder.path, trend)
        chronicle, learning = self.chronicle(live), self.learning(live)
        chronicle.identified, learning.keep = (lambda: learning.identified), chronicle.beside
        return Engine(
            live,
            lines,
            self.folder,
            self.prefix,
            mqtt=section is not None,
            recording=recording,
            chronicle=chronicle,
            savings=self.savings(live),
            rules=rules,
            till=Till(live, self.folder.ledger, recording, rules),
            notifier=self.notifier(live),
            learning=learning,
            finished=[self._tell_plugins(live)],
        )

    def recording(self, live: Live, trend: ErrorTrend) -> Recording:
        """Who makes metrics of the house, and gives them to the database if there is one."""
        section = self.config.get(InfluxSection)
        if section is None:
            return Recording(live, self.folder.path, SAMPLE_EVERY_S, trend=trend)
        from pems_core.recording.influx import Buffer, Influx, InfluxWriter
        from pems_core.recording.influx.writer import REFUSED

        there = section.beside(self.beside)
        buffer = Buffer(self.folder.points, self.clock, section.buffer_mb * 1e6)
        writer = InfluxWriter(lambda: Influx(there), buffer, self.clock, self.folder.path / REFUSED)
        return Recording(live, self.folder.path, section.sample_every_s, [writer.start()], trend)

    def chronicle(self, live: Live) -> Chronicle:
        """Who tells the ledger what happens."""
        section, path = self.config[RecordingSection], self.folder.ledger
        retention = Retention(section.detail_days, section.all_days)
        scribe = Scribe(lambda: Ledger(path, self.clock, writing=True, retention=retention), self.clock)
        house = self.house

        def record(identified: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
            return house_record(house, house.options, house.house.strategy.name, identified)

        return Chronicle(live, scribe, record)

    def savings(self, live: Live) -> Savings | None:
        """Who has worked out what was saved; None if nobody wants to know, or the house is in no file."""
        minutes, files = self.config[RecordingSection].savings_every_minutes, self.config.files
        if not minutes or not files:
            return None
        return Savings(live, files[0], self.folder.ledger, timedelta(minutes=minutes))

    def notifier(self, live: Live) -> Notifier | None:
        """Who tells people of alerts; None if nobody wants to be told.

        :raises ConfigError: if an address is not understood.
        """
        section, site = self.config[NotificationsSection], self.house.site
        if not section.to:
            return None
        quiet = (section.quiet_from, section.quiet_to)
        habits = Habits(
            site.name,
            site.zone,
            Severity(section.least),
            None if quiet[0] is None or quiet[1] is None else (quiet[0], quiet[1]),
            timedelta(seconds=section.gather_s),
            timedelta(hours=section.remind_hours),
            section.docs,
        )
        return Notifier(live, habits, self.post)

    @property
    def post(self) -> Post:
        """What carries letters to people.

        :raises ConfigError: if an address is not understood.
        """
        try:
            return Post([address.get_secret_value() for address in self.config[NotificationsSection].to])
        except ValueError as fault:
            raise ConfigError([f"notifications.to: {fault}"]) from None

    def learning(self, live: Live) -> Learning:
        """Who hands out what was learned, and has it looked after."""
        learners = [forecaster for forecaster in live.site.forecasters if isinstance(forecaster, Versioned)]
        house = self.config.files[0] if self.config.files else None
        devices = device_models(live.devices, self.house.site.timezone)
        return Learning(live, learners, self.models, self.config[LearningSection], house, devices)

    def _versioned(self, forecaster: Forecaster) -> Forecaster:
        """A forecaster that learns, with its versions; any other as it is."""
        if not isinstance(forecaster, LearningForecaster):
            return forecaster
        return Versioned(forecaster, self.house.site.timezone, self.config[LearningSection].trial_share)

    def _tell_plugins(self, live: Live) -> Watcher:
        """Lets plugins look at each cycle."""

        async def tell(report: CycleReport, reasons: Sequence[str]) -> None:
            faults = await asyncio.to_thread(tell_finished, self.manager, report)
            live.alerts.set("cycle_finished", "; ".join(faults))

        return tell

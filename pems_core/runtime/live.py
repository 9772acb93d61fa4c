"""The parts that an engine is made of, and what they know together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pems_core.clock import Clock
from pems_core.commanding.dispatcher import Dispatcher
from pems_core.commanding.emergency import EmergencyStop
from pems_core.commanding.overrides import Overrides
from pems_core.commanding.stages import Stages
from pems_core.commanding.store import Store
from pems_core.commanding.told import WISH
from pems_core.commanding.wear import StoredWearBook
from pems_core.config import CyclesSection
from pems_core.cycle import Site
from pems_core.domain import CycleReport, Readings, Receipt, SiteState
from pems_core.protocols import Device, Transport
from pems_core.site import HouseFile
from pems_core.transport.image import ProcessImage

from .alerts import HouseAlerts
from .carriage import NodeRedCarriage
from .feeds import Feeds
from .health import Health
from .history import Recorder
from .prices import PriceBook
from .triggers import Followed, Triggers


@dataclass
class Commanding:
    """The life of commands, as `pems_core.commanding` has it."""

    store: Store
    wear: StoredWearBook
    emergency: EmergencyStop
    overrides: Overrides
    stages: Stages
    dispatcher: Dispatcher


@dataclass
class Live:
    """One house while it runs."""

    house: HouseFile
    site: Site
    transports: Sequence[Transport]
    clock: Clock
    commanding: Commanding
    image: ProcessImage
    recorder: Recorder
    prices: PriceBook
    triggers: Triggers
    carriage: NodeRedCarriage
    health: Health
    alerts: HouseAlerts
    feeds: Feeds | None = None
    """None if nobody outside is asked."""
    readings: Readings = field(init=False)
    state: SiteState = field(init=False)
    followed: Followed | None = None
    """The plan in force; None until there is one."""
    report: CycleReport | None = None
    """Of the last cycle."""
    receipts: list[Receipt] = field(default_factory=list)
    """What became of commands since the last cycle."""

    def __post_init__(self) -> None:
        now = self.clock.now()
        self.readings = Readings(now, {})
        self.state = SiteState(now, {})

    @property
    def devices(self) -> Sequence[Device]:
        return self.site.devices

    @property
    def commanded(self) -> Mapping[str, Device]:
        """The devices that can be told something, by name."""
        return {device.name: device for device in self.devices if device.controls()}

    @property
    def cycles(self) -> CyclesSection:
        return self.house.config[CyclesSection]

    @property
    def every(self) -> timedelta:
        return timedelta(minutes=self.cycles.every_minutes)

    @property
    def now(self) -> datetime:
        return self.clock.now()

    @property
    def trusted(self) -> Sequence[str]:
        """Devices that PEMS may command, or has commanded and not given back."""
        stages = self.commanding.stages
        return [name for name in self.commanded if stages.of(name) != "observe" or name in self.taken]

    @property
    def taken(self) -> Sequence[str]:
        """Devices that may still do what PEMS told them, also before a restart."""
        # The store is told before the first message of a wish goes out.
        wished, dispatcher = self.commanding.store.kept(WISH), self.commanding.dispatcher
        return [name for name in self.commanded if name in wished or not dispatcher.released(name)]

"""pems.toml: one section for each part of the house and one for each plugin."""

from pems_core.domain import ConfigError

from .core import (
    CORE_SECTIONS,
    DistributionWindow,
    GridSection,
    PvSection,
    SiteSection,
    SolverSection,
    StrategySection,
    TariffSection,
)
from .faults import did_you_mean
from .live import (
    EMBEDDED,
    CyclesSection,
    LearningSection,
    MqttSection,
    NodeRedSection,
    Stage,
    StagesSection,
    StateSection,
)
from .load import ENVIRONMENT, Config, load_config, load_section, parse_config
from .recording import AlertsSection, HistoryMapping, InfluxSection, NotificationsSection, RecordingSection
from .section import MOST_KW, MOST_KWH, MOST_RELAY_KW, Fault, Number, Secret, Section, Table, WallClock

__all__ = [
    "CORE_SECTIONS",
    "EMBEDDED",
    "ENVIRONMENT",
    "MOST_KW",
    "MOST_KWH",
    "MOST_RELAY_KW",
    "AlertsSection",
    "Config",
    "ConfigError",
    "CyclesSection",
    "DistributionWindow",
    "Fault",
    "GridSection",
    "HistoryMapping",
    "InfluxSection",
    "LearningSection",
    "MqttSection",
    "NodeRedSection",
    "NotificationsSection",
    "Number",
    "PvSection",
    "RecordingSection",
    "Secret",
    "Section",
    "SiteSection",
    "SolverSection",
    "Stage",
    "StagesSection",
    "StateSection",
    "StrategySection",
    "Table",
    "TariffSection",
    "WallClock",
    "did_you_mean",
    "load_config",
    "load_section",
    "parse_config",
]

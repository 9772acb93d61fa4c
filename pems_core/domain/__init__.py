"""Values that flow through the cycle: readings, states, forecasts, plans, decisions. No I/O, no Pyomo."""

from .alert import Alert, Severity
from .command import NEVER, Command, Receipt, Stage
from .control import Control, ControlKind
from .equipment import (
    BatterySpec,
    ComfortBand,
    ComfortSchedule,
    Equipment,
    Executed,
    FlexibleLoadSpec,
    GridSpec,
    HeatingSpec,
    HybridInverterSpec,
    PvArray,
    PvSpec,
    RoomSpec,
    Step,
)
from .errors import (
    BadSeries,
    BadSetting,
    ConfigError,
    MissingForecast,
    NoPlan,
    NotDelivered,
    NotNow,
    PemsError,
    StaleReading,
    UnsafePlan,
    WornOut,
)
from .forecast import Forecast, Forecasts, History
from .horizon import HOUR, QUARTER, Horizon, floor_time, require_utc
from .learned import Learned
from .override import Override, Value
from .plan import Decision, Plan, Reason, Rung
from .reading import Quality, Reading, Readings
from .report import CycleReport
from .state import (
    BatteryState,
    FlexibleLoadState,
    HeatingState,
    InverterState,
    RoomState,
    SiteState,
    of_kind,
)
from .vintage import NoAnswer, SourceKind, Vintage

__all__ = [
    "HOUR",
    "NEVER",
    "QUARTER",
    "Alert",
    "BadSeries",
    "BadSetting",
    "BatterySpec",
    "BatteryState",
    "ComfortBand",
    "ComfortSchedule",
    "Command",
    "ConfigError",
    "Control",
    "ControlKind",
    "CycleReport",
    "Decision",
    "Equipment",
    "Executed",
    "FlexibleLoadSpec",
    "FlexibleLoadState",
    "Forecast",
    "Forecasts",
    "GridSpec",
    "HeatingSpec",
    "HeatingState",
    "History",
    "Horizon",
    "HybridInverterSpec",
    "InverterState",
    "Learned",
    "MissingForecast",
    "NoAnswer",
    "NoPlan",
    "NotDelivered",
    "NotNow",
    "Override",
    "PemsError",
    "Plan",
    "PvArray",
    "PvSpec",
    "Quality",
    "Reading",
    "Readings",
    "Reason",
    "Receipt",
    "RoomSpec",
    "RoomState",
    "Rung",
    "Severity",
    "SiteState",
    "SourceKind",
    "Stage",
    "StaleReading",
    "Step",
    "UnsafePlan",
    "Value",
    "Vintage",
    "WornOut",
    "floor_time",
    "of_kind",
    "require_utc",
]

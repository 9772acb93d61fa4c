"""Values that flow through the cycle: readings, states, forecasts, plans, decisions. No I/O, no Pyomo."""

from .command import Command, Receipt, Stage
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
    ConfigError,
    MissingForecast,
    NoPlan,
    NotDelivered,
    PemsError,
    StaleReading,
    UnsafePlan,
)
from .forecast import Forecast, Forecasts, History
from .horizon import HOUR, QUARTER, Horizon, floor_time, require_utc
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
)

__all__ = [
    "HOUR",
    "QUARTER",
    "BadSeries",
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
    "MissingForecast",
    "NoPlan",
    "NotDelivered",
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
    "SiteState",
    "Stage",
    "StaleReading",
    "Step",
    "UnsafePlan",
    "Value",
    "floor_time",
    "require_utc",
]

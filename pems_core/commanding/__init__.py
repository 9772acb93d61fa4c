"""The life of a command: overrides, guard, stages, emergency stop, dispatch, and what of it survives a restart."""

from .dispatcher import Dispatcher
from .emergency import EmergencyStop, Latch
from .guard import Action, Guard, Refusal, Verdict
from .overrides import ActiveOverride, BadOverride, Overrides, apply_to
from .stages import Evidence, Stages
from .store import JournalLine, Store, StoreInUse, StoreUnreadable, engine_alive
from .wear import RelayBook, StoredWearBook
from .wish import InForce, Wish

__all__ = [
    "Action",
    "ActiveOverride",
    "BadOverride",
    "Dispatcher",
    "EmergencyStop",
    "Evidence",
    "Guard",
    "InForce",
    "JournalLine",
    "Latch",
    "Overrides",
    "Refusal",
    "RelayBook",
    "Stages",
    "Store",
    "StoreInUse",
    "StoreUnreadable",
    "StoredWearBook",
    "Verdict",
    "Wish",
    "apply_to",
    "engine_alive",
]

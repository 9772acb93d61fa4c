"""What live control reaches, measured on real sockets."""

from .live_days import WRITES
from .live_kill import KILL
from .live_latency import LATENCY
from .live_recovery import RECOVERY
from .live_soak import SOAK

LIVE = (*LATENCY, RECOVERY, KILL, WRITES, SOAK)

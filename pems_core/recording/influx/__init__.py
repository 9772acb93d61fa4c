"""Points on their way to an InfluxDB, and history on its way back."""

from .buffer import Buffer
from .history import read_history
from .server import Away, Influx, NotTaken
from .writer import InfluxWriter

__all__ = ["Away", "Buffer", "Influx", "InfluxWriter", "NotTaken", "read_history"]

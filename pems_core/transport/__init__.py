"""Lines to the house: MQTT, Modbus, UDP and HTTP, and the process image of what was heard on them."""

from .waiting import keep_cancellations

keep_cancellations()

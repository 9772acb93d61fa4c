"""What is wrong with the commands of one device."""

from collections.abc import Sequence

from pems_core.clock import Clock
from pems_core.domain import Alert, Severity

LASTING = ("refused", "given up", "encode")
"""Alerts that giving the device back does not end."""


class DeviceAlerts:
    """One alert for each thing that is wrong, with the time since when it is."""

    def __init__(self, device: str, clock: Clock) -> None:
        self._device = device
        self._clock = clock
        self._alerts: dict[str, Alert] = {}

    @property
    def all(self) -> Sequence[Alert]:
        return tuple(self._alerts.values())

    def put(self, key: str, severity: Severity, text: str) -> None:
        old = self._alerts.get(key)
        since = old.since if old is not None else self._clock.now()
        self._alerts[key] = Alert(severity, self._device, text, since)

    def clear(self, key: str) -> None:
        self._alerts.pop(key, None)

    def device_is_back(self) -> None:
        """End the alerts about what a device that is its own again was told."""
        for key in [key for key in self._alerts if not key.startswith(LASTING)]:
            del self._alerts[key]

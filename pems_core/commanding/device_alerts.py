"""What is wrong with the commands of one device."""

from collections.abc import Sequence

from pems_core.alerts import AlertBook
from pems_core.clock import Clock
from pems_core.domain import Alert, Severity

LASTING = ("refused", "given up", "put off", "encode")
"""Alerts that giving the device back does not end."""


RULES = dict.fromkeys(("effect", "given up", "put off", "delivery", "release"), "no_effect")
"""The rule of an alert, by the first words of what it is about."""


class DeviceAlerts:
    """One alert for each thing that is wrong, with the time since when it is."""

    def __init__(self, device: str, clock: Clock) -> None:
        self._book = AlertBook(device)
        self._clock = clock

    @property
    def all(self) -> Sequence[Alert]:
        return self._book.all

    def put(self, key: str, severity: Severity, text: str) -> None:
        rule = next((rule for words, rule in RULES.items() if key.startswith(words)), "")
        self._book.put(key, text, self._clock.now(), severity, rule=rule)

    def clear(self, *keys: str) -> None:
        self._book.clear(*keys)

    def device_is_back(self) -> None:
        """End the alerts about what a device that is its own again was told."""
        self._book.clear(*(key for key in self._book.abouts if not key.startswith(LASTING)))

"""A load whose power can be set, such as a car's charger or a boiler, over MQTT.

It has no brand: `flexible_load/{name}/set` takes `{"power_kw": 3.7}`, or `{"state": "auto"}` to hand it back.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from pems_core.devices import FlexibleLoadDevice
from pems_core.devices.commands import Validity, mqtt_command, require_allowed
from pems_core.domain import Command, SiteState, Value


class FlexibleLoad(FlexibleLoadDevice):
    """Puts a power into a message that whoever switches the load understands."""

    def encode(
        self, settings: Mapping[str, Value], valid_from: datetime, valid_until: datetime, state: SiteState
    ) -> Sequence[Command]:
        """See `Device.encode`. Without `power_kw` the load is handed back and draws what it likes."""
        require_allowed(self.name, self.controls(), settings)
        power_kw = settings.get("power_kw")
        words: Mapping[str, float | str] = {"state": "auto"} if power_kw is None else {"power_kw": float(power_kw)}
        return [self._message(words, Validity(valid_from, valid_until))]

    def release(self) -> Sequence[Command]:
        """The load decides by itself."""
        return [self._message({"state": "auto"}, Validity.release())]

    def _message(self, words: Mapping[str, float | str], validity: Validity) -> Command:
        return mqtt_command(self.name, "power_kw", f"flexible_load/{self.name}/set", json.dumps(words), validity)

"""Which controls of a device are told together."""

from collections.abc import Mapping, Sequence

from pems_core.domain import Command, Value
from pems_core.protocols import Device

from .wish import same_value

WHOLE = "all"
"""The group of the controls that name none."""


class Groups:
    """The controls that a device takes together, as its catalogue says."""

    def __init__(self, device: Device) -> None:
        self._controls = {control.name: control for control in device.controls()}
        self._group = {name: control.group or WHOLE for name, control in self._controls.items()}
        self.all: Sequence[str] = tuple(dict.fromkeys(self._group.values()))

    def of(self, command: Command) -> str:
        return self._group.get(command.control, WHOLE)

    def controls(self, group: str) -> Sequence[str]:
        return [name for name, of in self._group.items() if of == group]

    def settings(self, settings: Mapping[str, Value], group: str) -> dict[str, Value]:
        """Those of the settings that belong to a group."""
        return {control: value for control, value in settings.items() if self._group.get(control) == group}

    def same(self, one: Mapping[str, Value], other: Mapping[str, Value]) -> bool:
        """Whether two sets of settings are the same to the device."""
        return all(self.same_value(name, one.get(name), other.get(name)) for name in {*one, *other})

    def same_value(self, control: str, one: Value | None, other: Value | None) -> bool:
        return same_value(self._controls[control], one, other)

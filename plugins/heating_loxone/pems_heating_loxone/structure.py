"""The Miniserver's structure file LoxAPP3.json: which control belongs to which room (protocols C.3)."""

from collections.abc import Mapping
from dataclasses import dataclass

from .values import Unreadable, json_object

CONTROLLER = "IRoomControllerV2"
COMFORT_IS_WIRED = 1
"""Bit of connectedInputs: the program sets the comfort temperature, and ignores what the app or PEMS asks for."""


@dataclass(frozen=True, slots=True)
class Controller:
    """One room controller."""

    uuid: str
    room: str
    """The room's name, in plain letters."""
    comfort_is_wired: bool


@dataclass(frozen=True, slots=True)
class Structure:
    """What a user may see of the program."""

    uuids: frozenset[str]
    controllers: Mapping[str, Controller]
    """By their uuidAction."""

    def uuid_of(self, room: str) -> str:
        """The controller of the room with that name, empty if there is none, or more than one."""
        found = [c.uuid for c in self.controllers.values() if c.room == plain(room)]
        return found[0] if len(found) == 1 else ""


def plain(name: str) -> str:
    """
    >>> plain("Living Room")
    'living_room'
    """
    return "_".join(name.casefold().split())


def parse_structure(place: str, text: str) -> Structure:
    """
    :raises Unreadable: if it is no structure file.
    """
    said = json_object(place, text)
    controls, rooms = said.get("controls"), said.get("rooms")
    if not isinstance(controls, Mapping) or not isinstance(rooms, Mapping):
        raise Unreadable(place, list(said), "a structure file with controls and rooms")
    found = [control for control in controls.values() if isinstance(control, Mapping)]
    uuids = frozenset(uuid for control in found if isinstance(uuid := control.get("uuidAction"), str))
    controllers = [_controller(c, rooms) for c in found if c.get("type") == CONTROLLER and c.get("uuidAction") in uuids]
    return Structure(uuids, {controller.uuid: controller for controller in controllers})


def _controller(control: Mapping[str, object], rooms: Mapping[str, object]) -> Controller:
    details, room = control.get("details"), rooms.get(str(control.get("room")))
    wired = details.get("connectedInputs", 0) if isinstance(details, Mapping) else 0
    name = room.get("name") if isinstance(room, Mapping) else ""
    is_wired = isinstance(wired, int) and bool(wired & COMFORT_IS_WIRED)
    return Controller(str(control["uuidAction"]), plain(str(name)), is_wired)

"""How a person's wish reaches the engine of a house; imports little, so that `pems stop` is not kept waiting."""

import getpass
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pems_core.config import ConfigError, StateSection, load_section
from pems_core.runtime.asking import ask_engine
from pems_core.runtime.state_folder import StateFolder


def me() -> str:
    """Who asks."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())  # a container need not know its users by name
    return f"{name} (command line)"


def state_folder(house: Path) -> StateFolder:
    """Where a house keeps its state, whatever else is wrong in its file.

    :raises ConfigError: if the file does not tell, and no engine holds the usual folder.
    """
    try:
        section = load_section(house, "state", StateSection, os.environ)
    except ConfigError:
        # A file that was broken while the engine ran on is no reason not to stop it.
        usual = StateFolder(StateSection().path(house.parent))
        if usual.engine_lives:
            return usual
        raise
    return StateFolder(section.path(house.parent))


def ask(house: Path, topic: str, payload: Mapping[str, Any]) -> str | None:
    """Have the engine of a house do something; what was done, in words. None if no engine runs.

    :param topic: below the prefix, as over MQTT.
    :raises Declined: if the engine refuses.
    :raises NotDelivered: if it does not answer.
    """
    folder = state_folder(house)
    return ask_engine(folder, topic, payload) if folder.engine_lives else None

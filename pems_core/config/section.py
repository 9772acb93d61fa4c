"""What a section of pems.toml is made of."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import time
from pathlib import Path
from typing import Annotated, ClassVar, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, SecretStr, Strict, ValidationInfo

Loc = tuple[str | int, ...]
"""Where a value stands below its section: keys, and places in a list counted from 0."""


class Fault(NamedTuple):
    """One value that cannot be used."""

    loc: Loc
    text: str
    """What was found and what is allowed."""


class Table(BaseModel):
    """Base of everything in pems.toml; a key it does not know is a fault, and so are `nan` and `inf`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def faults(self) -> Iterable[Fault]:
        """What is wrong between keys that are fine one by one; all of it, not only the first."""
        return ()


class Section(Table):
    """Base of every section of pems.toml.

    A section that is not in the file gets its defaults if each of its keys has one, and is left out otherwise.
    """

    required: ClassVar[bool] = False
    """True: a file without this section is a fault."""
    repeated: ClassVar[bool] = False
    """True: written as [[name]], any number of times."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a section may read while it is validated: the environment, and files beside the house file."""

    environ: Mapping[str, str]
    folder: Path


MOST_KW = 500.0
"""No part of a household has more: a larger number is in W."""
MOST_RELAY_KW = 100.0
MOST_KWH = 1000.0
"""No battery of a household holds more: a larger number is in Wh."""

Number = Annotated[float, Strict()]
"""A TOML number; text and true/false are faults."""

_WALL_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")


def _wall_clock(value: object) -> time:
    if isinstance(value, time) and value.second == 0 and value.microsecond == 0:
        return value
    if isinstance(value, str) and _WALL_CLOCK.fullmatch(value):
        hour, minute = value.split(":")
        return time(int(hour) % 24, int(minute))
    raise ValueError(f'found {str(value)!r}; allowed: local time as "HH:MM", "00:00" to "24:00"')


WallClock = Annotated[time, BeforeValidator(_wall_clock)]
"""A local time of day, written "HH:MM"; "24:00" is the coming midnight."""


def _secret(value: object, info: ValidationInfo) -> str:
    # The value itself is never repeated: it may be the very password.
    allowed = 'allowed: { env = "NAME" } or { file = "path" }'
    if not isinstance(value, dict) or len(value) != 1 or not all(isinstance(v, str) for v in value.values()):
        raise ValueError(f"a secret does not stand in the house file; {allowed}")
    surroundings = info.context
    if not isinstance(surroundings, Surroundings):
        raise TypeError("a section with secrets is validated by parse_config or load_config")
    if "env" in value:
        return _secret_from_environment(value["env"], surroundings)
    if "file" in value:
        return _secret_from_file(value["file"], surroundings)
    raise ValueError(f"found the key {next(iter(value))!r}; {allowed}")


def _secret_from_environment(name: str, surroundings: Surroundings) -> str:
    secret = surroundings.environ.get(name)
    if not secret:
        raise ValueError(f"the environment variable {name} is {'not set' if secret is None else 'empty'}")
    return secret


def _secret_from_file(name: str, surroundings: Surroundings) -> str:
    path = surroundings.folder / name
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(f"the secret's file {path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"the secret's file {path} is not UTF-8 text") from None
    if not secret:
        raise ValueError(f"the secret's file {path} is empty")
    return secret


Secret = Annotated[SecretStr, BeforeValidator(_secret)]
"""A password or token, given as `{ env = "NAME" }` or `{ file = "path" }`, never as plain text."""

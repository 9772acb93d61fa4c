"""What others may say to PEMS over MQTT; what does not fit is refused with its place, and never acted on."""

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from pems_core.commanding.overrides import LONGEST
from pems_core.domain.errors import Faults

LONGEST_TEXT = 200
MOST_PRICES = 4 * 24 * 8
MOST_MINUTES = LONGEST / timedelta(minutes=1)
SHOWN = 60
"""So much of a refused value is repeated [characters]."""


class Refused(Faults):
    """A payload cannot be used; one line for each place."""


def _with_zone(value: object) -> object:
    # A number would be read as seconds since 1970, and a time without a zone as anybody's local time.
    try:
        found = datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("allowed: a time such as 2025-01-15T06:00:00Z") from None
    if found.tzinfo is None:
        raise ValueError("allowed: a time with its zone, such as 2025-01-15T06:00:00Z")
    try:
        return found.astimezone(UTC)
    except OverflowError:
        raise ValueError("allowed: a time of this century") from None


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError("allowed: a finite number")
    return value


Instant = Annotated[datetime, BeforeValidator(_with_zone)]
Text = Annotated[str, Field(max_length=LONGEST_TEXT)]
Name = Annotated[str, Field(min_length=1, max_length=LONGEST_TEXT)]
Finite = Annotated[float, AfterValidator(_finite)]


class Payload(BaseModel):
    """Base of everything that comes in; a key that it does not know is a fault."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class OverrideSet(Payload):
    """`override/set`"""

    device: Name
    control: Name
    value: bool | Finite | Text
    until: Instant | None = None
    for_minutes: Annotated[Finite, Field(gt=0, le=MOST_MINUTES)] | None = None
    """Instead of `until`, from when it is taken."""
    by: Name
    reason: Text = ""

    @model_validator(mode="after")
    def _has_one_end(self) -> "OverrideSet":
        if (self.until is None) == (self.for_minutes is None):
            raise ValueError("allowed: one of until and for_minutes")
        return self

    def ends(self, now: datetime) -> datetime:
        """When it ends, set now."""
        return self.until or now + timedelta(minutes=self.for_minutes or 0.0)


class OverrideClear(Payload):
    """`override/clear`; without a control all of the device's, without a device all."""

    device: Text = ""
    control: Text = ""
    by: Name


class EmergencySet(Payload):
    """`emergency/set`"""

    action: Literal["stop", "reset"]
    by: Name
    reason: Text = ""


class StageSet(Payload):
    """`stage/set`: how far a device is trusted."""

    device: Name
    stage: Literal["observe", "limited", "control"]
    by: Name
    reason: Text = ""


class AlertAck(Payload):
    """`alert/ack`: somebody knows of the alerts of a place, or of those of one rule there."""

    place: Text
    rule: Text | None = None
    by: Name
    for_hours: Annotated[Finite, Field(gt=0, le=24 * 30)] = 24.0


class Applied(Payload):
    """`applied/<device>/<control>`: what Node-RED made of a decision, or of a request to carry something."""

    decision_id: Name
    result: Text
    stage: Text
    at: Instant
    request: Text = ""
    """Of `carry/<device>`; empty for a decision."""
    detail: Text = ""


class CarrierSaid(Payload):
    """`carrier`: Node-RED is there, and would carry these devices; none are its last words."""

    id: Text = ""
    devices: tuple[Name, ...] = ()
    valid_for_s: Annotated[Finite, Field(gt=0, le=3600)] = 30.0
    """[s of the wall]"""


class Price(Payload):
    start: Instant
    value: Finite


class PricesSet(Payload):
    """`prices/set`: day-ahead prices, each from its start for `minutes`."""

    unit: Text
    """`EUR/MWh`, or the site's currency such as `CZK/kWh`."""
    minutes: Literal[15, 30, 60]
    prices: Annotated[tuple[Price, ...], Field(min_length=1, max_length=MOST_PRICES)]


P = TypeVar("P", bound=Payload)


def understood(kind: type[P], payload: bytes) -> P:
    """What a payload says.

    :raises Refused: one line for each place, with what was found and what is allowed.
    """
    try:
        said = json.loads(payload.decode("utf-8"), parse_constant=_no_constant)
    except (UnicodeDecodeError, ValueError) as error:
        raise Refused(
            [f"payload: found {_shown(payload)}, which is not JSON ({error}); allowed: a JSON object"]
        ) from None
    if not isinstance(said, dict):
        raise Refused([f"payload: found {_shown(said)}; allowed: a JSON object"])
    try:
        # From JSON text, where a list is a tuple and yet a text is no number.
        return kind.model_validate_json(payload)
    except ValidationError as error:
        raise Refused(_line(fault["loc"], fault["input"], fault["msg"]) for fault in error.errors()) from None


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is no number of JSON")


def _line(loc: tuple[int | str, ...], found: object, message: str) -> str:
    place = ".".join(str(part) for part in loc) or "payload"
    return f"{place}: found {_shown(found)}; {message.removeprefix('Value error, ')}"


def _shown(found: object) -> str:
    text = repr(found)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."

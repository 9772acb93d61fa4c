"""The sections of a house that is run live: broker, state, when cycles run, how far devices are trusted."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field

from .section import Fault, Number, Secret, Section

Stage = Literal["observe", "limited", "control"]
EMBEDDED = "embedded"


class MqttSection(Section):
    """[mqtt]: the broker through which PEMS is seen and told."""

    url: str = Field(
        examples=["mqtt://localhost:1883"],
        description='"mqtt://host:port" or "mqtts://host:port"; "embedded": a broker inside PEMS, for trials only',
    )
    user: str = Field("", description="user name at the broker")
    password: Secret | None = Field(None, description="password at the broker")
    ca_file: str = Field("", description="authority that signed the broker's certificate; default: known ones")
    client_certificate_file: str = Field("", description="certificate by which PEMS shows who it is")
    client_key_file: str = Field("", description="key of that certificate")
    prefix: str = Field("pems", description="first part of PEMS's own topics; the site's name follows")

    def beside(self, folder: Path) -> "MqttSection":
        """The same, with relative files looked for in the folder of the house file."""
        names = ("ca_file", "client_certificate_file", "client_key_file")
        named = {name: str(folder / file) for name in names if (file := getattr(self, name))}
        return self.model_copy(update=named)

    def faults(self) -> Iterable[Fault]:
        parts = urlsplit(self.url)
        if self.url != EMBEDDED and (parts.scheme not in ("mqtt", "mqtts") or not parts.hostname):
            allowed = '"mqtt://host:port", "mqtts://host:port" or "embedded"'
            yield Fault(("url",), f"found {self.url!r}; allowed: {allowed}")
        if not re.fullmatch(r"[^/#+\s]+(/[^/#+\s]+)*", self.prefix):
            yield Fault(("prefix",), f"found {self.prefix!r}; allowed: words joined by /, without #, + or blanks")
        if bool(self.client_certificate_file) != bool(self.client_key_file):
            yield Fault(("client_key_file",), "found one of certificate and key; allowed: both or none")


class StateSection(Section):
    """[state]: what PEMS must remember over a restart."""

    folder: str = Field("state", description="folder of the state; a relative one lies beside the house file")

    def path(self, beside: Path) -> Path:
        """The folder.

        :param beside: the folder of the house file.
        """
        return beside / self.folder


class CyclesSection(Section):
    """[cycles]: when a new plan is made."""

    every_minutes: Literal[5, 10, 15, 30, 60] = Field(15, description="regular time between plans [min]")
    soc_deviation: Number = Field(
        0.05, gt=0, le=1, description="plan anew when the state of charge is this far from the plan [share]"
    )
    room_deviation_k: Number = Field(0.7, gt=0, description="plan anew when a room is this far from the plan [K]")
    price_change_per_kwh: Number = Field(
        0.1, gt=0, description="plan anew when a price of the next 24 h changed by this [currency/kWh]"
    )
    forecast_change_kw: Number = Field(
        1.5, gt=0, description="plan anew when the mean of the next hours' forecast changed by this [kW]"
    )
    stale_after_minutes: Number = Field(
        30.0, gt=0, description="a device whose last plan is older is given back to its own control [min]"
    )

    def faults(self) -> Iterable[Fault]:
        if self.stale_after_minutes < 2 * self.every_minutes:
            found = f"found {self.stale_after_minutes:g} with a plan every {self.every_minutes:g} min"
            yield Fault(("stale_after_minutes",), f"{found}; allowed: at least twice that")


class NodeRedSection(Section):
    """[nodered]: which devices are told through Node-RED, where people can see and stop what goes out."""

    carries: tuple[str, ...] = Field((), examples=[["heating"]], description="devices whose messages Node-RED carries")
    direct_when_silent: bool = Field(
        True, description="true: PEMS reaches them itself while Node-RED is silent; false: they are left to themselves"
    )


class LearningSection(Section):
    """[learning]: what a house learns of itself."""

    country: str = Field("", description='whose public holidays are like Sundays, such as "CZ"; empty: none')
    every_days: Number = Field(7.0, gt=0, description="how often models are learned anew [days]")
    at_hour: int = Field(3, ge=0, le=23, description="local hour of the night from which it is done")
    shadow_days: int = Field(7, ge=7, description="how long a new version foresees without being used [days]")
    trial_days: int = Field(14, ge=1, description="how long it is then used on some days [days]")
    trial_share: Number = Field(0.5, ge=0, le=1, description="share of these days on which it is used [0..1]")
    identify: bool = Field(True, description="true: rooms and battery are planned as identified, where that wins")


class StagesSection(Section):
    """[stages]: how far each device is trusted to PEMS; a device that is not listed has the default."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Stage]

    default: Stage = Field("observe", description="observe: recommend only; limited: allow-list; control: all")
    allow: dict[str, tuple[str, ...]] = Field(
        {}, description="by device: the controls that a limited device may be told"
    )

    @property
    def by_device(self) -> Mapping[str, Stage]:
        return dict(self.__pydantic_extra__)

    def of(self, device: str) -> Stage:
        return self.by_device.get(device, self.default)

"""The sections of what is recorded outside: the time series database, alerts, and where they are sent."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field

from .section import Fault, Number, Secret, Section, Table, WallClock

RULE_NAMES = (
    "device_lost",
    "stale_data",
    "no_effect",
    "foreign_writer",
    "comfort",
    "write_budget",
    "cost_budget",
    "savings_drop",
    "model_degraded",
    "disk",
    "below_plan",
)
"""Of `pems_core.alerting.rules`, which stands above this layer."""


class HistoryMapping(Table):
    """[[influxdb.history]]: where an existing installation has a series that forecasters learn from."""

    series: str = Field(min_length=1, examples=["pv_kw"], description="name of the series, with its unit")
    measurement: str = Field(min_length=1, examples=["solar"], description="measurement in the database")
    field: str = Field(min_length=1, examples=["ppv"], description="field of the measurement")
    tags: dict[str, str] = Field({}, description="tags that the points must have")
    factor: Number = Field(1.0, description="times the value is the series in its unit, such as 0.001 for W")
    offset: Number = Field(0.0, description="added after that")

    def faults(self) -> Iterable[Fault]:
        if self.factor == 0:
            yield Fault(("factor",), "found 0; allowed: any other number")


class InfluxSection(Section):
    """[influxdb]: where metrics go besides, and where history may come from."""

    url: str = Field(examples=["http://localhost:8086"], description='"http://host:port" or "https://host:port"')
    version: Literal[1, 2, 3] = Field(2, description="1: written by /write; 2 and 3: by the v2 write API")
    database: str = Field("pems", min_length=1, description="database of 1.x and 3, bucket of 2.x")
    org: str = Field("", description="organisation of 2.x")
    token: Secret | None = Field(None, description="token of 2.x and 3")
    user: str = Field("", description="user name of 1.x")
    password: Secret | None = Field(None, description="password of 1.x")
    ca_file: str = Field("", description="authority that signed the server's certificate; default: known ones")
    retention_days: Number = Field(0.0, ge=0, description="the database forgets what is older; 0: nothing [days]")
    sample_every_s: Number = Field(60.0, ge=1, le=900, description="time between samples of what is measured [s]")
    timeout_s: Number = Field(10.0, gt=0, le=120, description="how long the server is waited for [s]")
    buffer_mb: Number = Field(500.0, gt=0, description="what may wait on the disk while the server is away [MB]")
    history: tuple[HistoryMapping, ...] = Field(
        (), description="what an existing installation has measured; entries of one series add up"
    )

    def faults(self) -> Iterable[Fault]:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            yield Fault(("url",), f'found {self.url!r}; allowed: "http://host:port" or "https://host:port"')
        if re.search(r"[\"\\\n]", self.database):
            yield Fault(("database",), f"found {self.database!r}; allowed: a name without quotes or backslashes")
        if self.version == 1 and self.token is not None:
            yield Fault(("token",), "found a token for version 1; allowed: user and password")
        if self.version != 1 and self.user:
            yield Fault(("user",), f"found a user for version {self.version}; allowed: a token")
        if bool(self.user) != bool(self.password):
            yield Fault(("password",), "found one of user and password; allowed: both or none")

    def beside(self, folder: Path) -> "InfluxSection":
        """The same, with a relative file looked for in the folder of the house file."""
        return self.model_copy(update={"ca_file": str(folder / self.ca_file)}) if self.ca_file else self


class AlertsSection(Section):
    """[alerts]: from when on something is wrong that is a matter of taste."""

    comfort_k: Number = Field(1.0, gt=0, le=10, description="so far outside its band a room in use is told [K]")
    disk_free_mb: Number = Field(500.0, gt=0, description="so much must be free where the state is kept [MB]")
    model_error_factor: Number = Field(
        2.0, gt=1, description="so many times the forecast errors of the week before are told"
    )
    savings_share: Number = Field(
        0.5, ge=0, lt=1, description="a day that saves less than this share of the week before is told [share]"
    )
    month_budget: Number = Field(0.0, ge=0, description="a bill of the month beyond it is told; 0: none [currency]")
    without: tuple[str, ...] = Field((), description="rules of which nobody wants to hear")

    def faults(self) -> Iterable[Fault]:
        for place, name in enumerate(self.without):
            if name not in RULE_NAMES:
                yield Fault(("without", place), f"found {name!r}; allowed: {', '.join(RULE_NAMES)}")


class NotificationsSection(Section):
    """[notifications]: who is told of alerts besides MQTT, and when."""

    to: tuple[Secret, ...] = Field((), description="addresses in Apprise's form, for mail, Telegram, ntfy, webhooks")
    least: Literal["info", "warning", "critical"] = Field("warning", description="what is less grave is not sent")
    quiet_from: WallClock | None = Field(None, description="local time from which on only what is critical is sent")
    quiet_to: WallClock | None = Field(None, description="local time at which that ends")
    gather_s: Number = Field(60.0, ge=0, le=3600, description="alerts within this time come in one letter [s]")
    remind_hours: Number = Field(
        6.0, gt=0, le=168, description="reminder of a critical alert that nobody acknowledged [h]"
    )
    docs: str = Field("", description="address of this documentation, for links in letters")

    def faults(self) -> Iterable[Fault]:
        if (self.quiet_from is None) != (self.quiet_to is None):
            yield Fault(("quiet_to",), "found one of quiet_from and quiet_to; allowed: both or none")


class RecordingSection(Section):
    """[recording]: what the ledger keeps of what happened, and for how long."""

    detail_days: Number = Field(
        60.0, ge=1, le=4000, description="whole inputs and plans are kept, for pems replay and explain [days]"
    )
    all_days: Number = Field(800.0, ge=7, le=8000, description="all else is kept [days]")
    savings_every_minutes: Number = Field(
        60.0, ge=0, le=1440, description="time between looks at what today has saved; 0: none [min]"
    )

    def faults(self) -> Iterable[Fault]:
        if self.all_days < self.detail_days:
            yield Fault(("all_days",), f"found {self.all_days:g}; allowed: detail_days ({self.detail_days:g}) or more")

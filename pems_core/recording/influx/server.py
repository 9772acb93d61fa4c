"""One InfluxDB: 1.x by `/write`, 2.x and 3 by the v2 write API, all three asked in InfluxQL."""

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, cast

from influxdb_client import BucketRetentionRules, InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError
from urllib3.util import make_headers

from pems_core.config import InfluxSection
from pems_core.domain import PemsError

REFUSED = (400, 413, 422)
"""By these a server says that it will never take what it was sent."""
FORBIDDEN = (401, 403)
SERVERS_OWN = 500
"""From here on a server tells of faults of its own."""

MILLISECONDS: Any = "ms"
"""A word of the write API, which the client's own type does not show."""


class Away(PemsError):
    """The server does not answer, or cannot take anything now."""


class NotTaken(PemsError):
    """The server does not take some of these points, and never will."""


class Influx:
    """Writes and asks, each within a bounded time. Used by one thread at a time."""

    def __init__(self, section: InfluxSection) -> None:
        self._section = section
        token = section.token.get_secret_value() if section.token else ""
        self._client = InfluxDBClient(
            section.url,
            token or "none",
            org=section.org or "-",
            timeout=round(section.timeout_s * 1000),
            enable_gzip=True,
            ssl_ca_cert=section.ca_file or None,
            retries=False,
        )
        self._api = self._client.api_client
        self.broken_off = 0
        """How often a connection had ended without a word when it was to be used again: the server may have died."""
        pool = self._api.rest_client.pool_manager.connection_from_url(section.url)
        pool.ConnectionCls = _telling(cast("type[HTTPConnection]", pool.ConnectionCls), self._breaks_off)
        self._basic: dict[str, str] = {}
        if section.user:
            password = section.password.get_secret_value() if section.password else ""
            self._basic = dict(make_headers(basic_auth=f"{section.user}:{password}"))
        self._writer = self._client.write_api(write_options=SYNCHRONOUS)

    def close(self) -> None:
        self._client.close()

    def _breaks_off(self) -> None:
        self.broken_off += 1

    def prepare(self) -> None:
        """Make the database and have it forget what is older than the retention, where the server lets PEMS do so.

        :raises Away: if the server does not answer.
        """
        if self._section.version == 1:
            self._prepare_database()
        elif self._section.version == 2:
            self._prepare_bucket()

    def found(self) -> str:
        """Ask, without a write, whether PEMS is let in and whether its database is there; in words.

        :raises Away: if the server does not answer.
        :raises NotTaken: if it does not let PEMS in.
        """
        name = self._section.database
        try:
            there = self._bucket_is_there() if self._section.version == 2 else self._database_is_there()
        except ApiException as fault:
            if fault.status in FORBIDDEN:
                raise NotTaken(f"{self._section.url}: {_said(fault)}") from fault
            return f"{self._section.url} answers, and does not say whether {name} is there: {_said(fault)}"
        except (HTTPError, OSError, ValueError) as fault:
            raise Away(f"{self._section.url}: {fault}") from fault
        return f"{self._section.url}: {name} is there" if there else f"{self._section.url}: {name} is made by pems run"

    def _database_is_there(self) -> bool:
        answer = json.loads(self._call("GET", "/query", {"q": "SHOW DATABASES"}, None))
        names = [row[0] for series in answer["results"][0].get("series", []) for row in series.get("values", [])]
        return self._section.database in names

    def _bucket_is_there(self) -> bool:
        return self._client.buckets_api().find_bucket_by_name(self._section.database) is not None

    def write(self, lines: str) -> None:
        """Write points in line protocol, with times in milliseconds.

        :raises NotTaken: if the server refuses some of them for good.
        :raises Away: if it does not answer, or says that it cannot now.
        """
        section = self._section
        try:
            if section.version == 1:
                query = {"db": section.database, "precision": "ms"}
                self._call("POST", "/write", query, lines.encode())
            else:
                self._writer.write(
                    section.database,
                    section.org or "-",
                    record=lines.encode(),
                    write_precision=MILLISECONDS,
                )
        except ApiException as fault:
            if fault.status in REFUSED:
                raise NotTaken(f"{section.url}: {_said(fault)}") from fault
            raise Away(f"{section.url}: {_said(fault)}") from fault
        except (HTTPError, OSError) as fault:
            raise Away(f"{section.url}: {fault}") from fault

    def ask(self, question: str) -> list[Mapping[str, Any]]:
        """The series that answer a question in InfluxQL: `name`, `tags`, `columns`, `values`; times in milliseconds.

        :raises Away: if the server does not answer.
        :raises NotTaken: if it does not understand the question.
        """
        query = {"db": self._section.database, "q": question, "epoch": "ms"}
        try:
            answer = json.loads(self._call("GET", "/query", query, None))
        except ApiException as fault:
            kind = Away if fault.status >= SERVERS_OWN else NotTaken
            raise kind(f"{self._section.url}: {_said(fault)}") from fault
        except (HTTPError, OSError, ValueError) as fault:
            raise Away(f"{self._section.url}: {fault}") from fault
        result = answer["results"][0]
        if "error" in result:
            raise NotTaken(f"{self._section.url}: {result['error']}")
        return list(result.get("series", []))

    def _prepare_database(self) -> None:
        name, days = self._section.database, self._section.retention_days
        try:
            self._call("POST", "/query", {"q": f'CREATE DATABASE "{name}"'}, b"")
            if days:
                policy = f'RETENTION POLICY "pems" ON "{name}" DURATION {days:g}d REPLICATION 1 DEFAULT'
                # Making it says nothing to one that is there already in another length, so that it is changed besides.
                self._call("POST", "/query", {"q": f"CREATE {policy}"}, b"")
                self._call("POST", "/query", {"q": f"ALTER {policy}"}, b"")
        except ApiException as fault:
            # A user that may only read and write leaves this to the one who runs it; a write tells whether it may that.
            if fault.status not in FORBIDDEN:
                raise Away(f"{self._section.url}: {_said(fault)}") from fault
        except (HTTPError, OSError) as fault:
            raise Away(f"{self._section.url}: {fault}") from fault

    def _prepare_bucket(self) -> None:
        # A server without buckets, or a token that may only write, leaves this to the one who runs it.
        with suppress(ApiException, HTTPError, OSError, ValueError):
            buckets = self._client.buckets_api()
            seconds = round(self._section.retention_days * 86400)
            rules = [BucketRetentionRules(type="expire", every_seconds=seconds)] if seconds else []
            found = buckets.find_bucket_by_name(self._section.database)
            if found is None:
                buckets.create_bucket(
                    bucket_name=self._section.database, org=self._section.org or None, retention_rules=rules
                )
            elif rules:
                found.retention_rules = rules
                buckets.update_bucket(bucket=found)

    def _call(self, method: str, path: str, query: Mapping[str, str], body: bytes | None) -> str:
        answer = self._api.call_api(
            path,
            method,
            query_params=list(query.items()),
            header_params={"Content-Type": "text/plain; charset=utf-8", **self._authority},
            body=body,
            response_type="str",
            auth_settings=[],
            async_req=False,
            _return_http_data_only=True,
            _preload_content=False,
        )
        return bytes(answer.data).decode()

    @property
    def _authority(self) -> Mapping[str, str]:
        token = self._section.token
        return self._basic or ({"Authorization": f"Token {token.get_secret_value()}"} if token else {})


def _telling(kind: type[HTTPConnection], broken_off: Callable[[], None]) -> type[HTTPConnection]:
    """Connections that tell when they are found ended; one that the server had said it would end is closed by then."""

    def is_connected(connection: HTTPConnection) -> bool:
        there = connection.sock is None or bool(kind.is_connected.__get__(connection))
        if not there:
            broken_off()
        return there and connection.sock is not None

    return type(kind.__name__, (kind,), {"is_connected": property(is_connected)})


def _said(fault: ApiException) -> str:
    """What the server said, in one line."""
    try:
        said = json.loads(fault.body)
        text = said.get("error") or said.get("message") or str(said)
    except (TypeError, ValueError, AttributeError):
        text = str(fault.body or fault.reason)
    return f"{fault.status} {' '.join(text.split())[:300]}"

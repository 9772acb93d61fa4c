"""The flows and nodes as they are committed."""

import json
import re

import pytest

from pems_core.nodered import FOLDER
from pems_core.runtime.contract import HEARD, TOLD

from .conftest import run_node

NODES = FOLDER / "packages" / "node-red-contrib-pems"


def test_flows_are_what_their_sources_give() -> None:
    run_node("build.mjs", "--check")


@pytest.mark.slow
def test_nodes_and_their_logic_keep_their_promises() -> None:
    run_node("--test", "packages/*/test/*.test.*js")


@pytest.mark.slow
def test_nodes_keep_their_promises_on_the_node_red_of_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEMS_TEST_NODE_RED", "node-red-4")
    run_node("--test", "packages/node-red-contrib-pems/test/nodes.test.js")


def test_every_topic_that_node_red_hears_or_says_is_known_to_the_core() -> None:
    library = "\n".join(path.read_text(encoding="utf-8") for path in sorted((NODES / "lib").glob("*.js")))
    listed = re.search(r"const TOPICS = \[(.*?)\]", library, re.DOTALL)
    assert listed is not None
    heard = set(re.findall(r"'([^']+)'", listed[1]))
    assert heard <= set(TOLD), heard - set(TOLD)
    asked = set(re.findall(r"^  '([a-z]+/[a-z]+)': ", library, re.MULTILINE))
    said = asked | {"carrier", "applied/+/+"}
    assert {"override/set", "override/clear", "emergency/set", "stage/set"} <= said
    assert said <= set(HEARD), said - set(HEARD)


def test_flows_name_no_house_no_broker_and_no_secret() -> None:
    flows = json.loads((FOLDER / "flows.json").read_text(encoding="utf-8"))
    (site,) = (node for node in flows if node["type"] == "pems-site")
    assert [site[key] for key in ("url", "prefix", "house", "tls")] == ["", "", "", ""]
    assert not any("credentials" in node for node in flows)
    assert not (FOLDER / "flows_cred.json").exists()


def test_every_tab_and_group_says_what_it_is_for() -> None:
    flows = json.loads((FOLDER / "flows.json").read_text(encoding="utf-8"))
    tabs = [node for node in flows if node["type"] == "tab"]
    assert len(tabs) >= 6
    assert all(len(tab["info"].strip()) > 40 for tab in tabs)
    grouped = {name for node in flows if node["type"] == "group" for name in node["nodes"]}
    loose = [node["name"] for node in flows if "z" in node and node["type"] != "group" and node["id"] not in grouped]
    assert not loose
    assert sum(node["type"] == "function" for node in flows) <= 2

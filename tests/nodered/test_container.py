"""The recipe for a container, which no engine here can build: what it names is there and fits the rest."""

import json
import re

from pems_core.nodered import FOLDER

RECIPE = (FOLDER / "container" / "Containerfile").read_text(encoding="utf-8")
COMPOSE = (FOLDER / "container" / "compose.yaml").read_text(encoding="utf-8")
DOCS = (FOLDER.parent / "docs" / "node-red.md").read_text(encoding="utf-8")
BY_THE_IMAGE = {
    "PEMS_NODERED_HOST", "PEMS_NODERED_PORT", "PEMS_NODERED_FLOWS", "PEMS_NODERED_LOG", "PEMS_NODERED_ENDS_WITH_INPUT",
}  # fmt: skip
"""What who runs the container has no need to set."""


def test_what_is_copied_is_there_and_all_that_node_red_loads_is_copied() -> None:
    copied = {name for line in re.findall(r"^COPY (.+) \S+$", RECIPE, re.MULTILINE) for name in line.split()}
    assert all((FOLDER / name).exists() for name in copied), copied
    loaded = {"settings.cjs"}
    while (
        new := {
            name
            for file in loaded
            for name in re.findall(r"require\('\./([\w.-]+)'\)", (FOLDER / file).read_text(encoding="utf-8"))
        }
        - loaded
    ):
        loaded |= new
    assert loaded | {"flows.json", "package.json", "package-lock.json", "packages"} <= copied


def test_the_image_has_a_node_js_that_all_packages_run_on() -> None:
    version = re.search(r"^FROM \S*node:(\d+)", RECIPE, re.MULTILINE)
    assert version is not None
    packages = [FOLDER / "package.json", *(FOLDER / "packages").glob("*/package.json")]
    for file in packages:
        least = re.fullmatch(r">=(\d+)(?:\.\d+)*", json.loads(file.read_text(encoding="utf-8"))["engines"]["node"])
        assert least is not None
        assert int(version[1]) >= int(least[1]), file
    lock = json.loads((FOLDER / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    wanted = json.loads((FOLDER / "package.json").read_text(encoding="utf-8"))["dependencies"]
    assert lock[""]["dependencies"] == wanted
    assert lock["node_modules/node-red"]["version"].startswith("5.")
    assert lock["node_modules/node-red-4"]["version"].startswith("4.1.")


def test_every_variable_of_the_settings_is_told_and_reaches_the_container() -> None:
    read = {
        name
        for file in (*FOLDER.glob("*.cjs"), *(FOLDER / "packages" / "node-red-contrib-pems").glob("[ln]*/*.js"))
        for name in re.findall(r"\benv\.(PEMS_\w+)", file.read_text(encoding="utf-8"))
    }
    passed = set(re.findall(r"^ +- (PEMS_\w+)$", COMPOSE, re.MULTILINE))
    assert passed == read - BY_THE_IMAGE
    assert read - {"PEMS_NODERED_ENDS_WITH_INPUT"} == set(re.findall(r"`(PEMS_\w+)`", DOCS))

"""What the documentation says is so: hooks, commands, columns, keys, links and code."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest
from sybil.document import Document
from sybil.parsers.markdown import PythonCodeBlockParser

from pems_core.cli import pems
from pems_core.commands.simulate import EXPORTED
from pems_core.config import CORE_SECTIONS
from pems_core.domain import Rung
from pems_core.simulation.experiment import BASELINES
from pems_core.simulation.outlook import ForecastQuality
from pems_core.simulation.recordings import WEEKS
from pems_core.simulation.scenario_checks import LIMITS, OPTIONAL, REQUIRED, SPOT, TIME
from pems_core.testing import DEVICE_CONTRACT

from .traps import TRAPS, name_on_page, played

ROOT = Path(__file__).parents[1]
HAND_WRITTEN = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
PAGES = [*HAND_WRITTEN, *sorted(ROOT.glob("plugins/*/README.md"))]


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def compact(text: str) -> str:
    """Without blanks, so that line breaks and the spacing of defaults do not matter."""
    return re.sub(r"\s", "", text)


def parsed(module: str) -> list[ast.stmt]:
    return ast.parse(page(f"pems_core/{module}.py")).body


HOOKS = [node for node in parsed("hookspecs") if isinstance(node, ast.FunctionDef)]
PROTOCOLS = [node for node in parsed("protocols") if isinstance(node, ast.ClassDef)]


def signature(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """As it is written in the source, without `self`."""
    assert function.returns is not None
    returns = ast.unparse(function.returns)
    if any(ast.unparse(decorator) == "property" for decorator in function.decorator_list):
        return f"{function.name}: {returns}"
    arguments = function.args
    arguments.args = [argument for argument in arguments.args if argument.arg != "self"]
    return f"{function.name}({ast.unparse(arguments)}) -> {returns}"


@pytest.mark.parametrize("hook", HOOKS, ids=lambda hook: str(hook.name))
def test_every_hook_is_documented_with_its_exact_arguments(hook: ast.FunctionDef) -> None:
    assert f"### `{signature(hook)}`" in page("docs/plugins.md").splitlines()


def test_no_hook_is_documented_that_does_not_exist() -> None:
    told = re.findall(r"^### `(\w+)\(", page("docs/plugins.md"), re.MULTILINE)
    assert sorted(told) == sorted(hook.name for hook in HOOKS)


@pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda protocol: str(protocol.name))
def test_every_method_of_a_protocol_is_documented_with_its_exact_arguments(protocol: ast.ClassDef) -> None:
    methods = [node for node in protocol.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    told = compact(page("docs/plugins.md"))
    assert [s for s in map(signature, methods) if compact(s) not in told] == []


@pytest.mark.parametrize("promise", [promise.__name__ for promise in DEVICE_CONTRACT])
def test_every_promise_of_a_device_is_documented(promise: str) -> None:
    assert f"| `{promise}` |" in page("docs/plugins.md")


@pytest.mark.parametrize("name", ["docs/plugins.md", "docs/savings.md", "examples/README.md"])
def test_code_blocks_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = Document.parse(str(ROOT / name), PythonCodeBlockParser())
    (tmp_path / "examples").mkdir()
    monkeypatch.chdir(tmp_path)
    # The plugin of the page has a second module, which is told but not shown whole.
    monkeypatch.syspath_prepend(str(ROOT / "examples/plugin_pool_pump"))
    examples = list(document.examples())
    assert examples
    for example in examples:
        example.evaluate()


def test_the_plugin_on_the_page_is_the_example() -> None:
    assert page("examples/plugin_pool_pump/pems_pool_pump/__init__.py") in page("docs/plugins.md")


def test_the_generated_day_is_what_its_page_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    test_code_blocks_run("examples/README.md", tmp_path, monkeypatch)
    shipped, made = (
        pd.read_csv(folder / "examples/generated_winter_day.csv", index_col=TIME) for folder in (ROOT, tmp_path)
    )
    assert list(made.columns) == list(shipped.columns)
    assert list(made.index) == list(shipped.index)
    np.testing.assert_allclose(made.to_numpy(), shipped.to_numpy(), atol=2e-4)


def code_lines(text: str) -> Iterator[str]:
    """Indented and fenced lines of a page."""
    fenced = False
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            yield line.strip()


def spoken_commands() -> list[tuple[str, list[str]]]:
    """Each `pems ...` of the pages' code and inline code, as words."""
    found = []
    for path in HAND_WRITTEN:
        text = path.read_text(encoding="utf-8")
        spans = [*code_lines(text), *re.findall(r"`([^`\n]+)`", text)]
        for line in spans:
            words = shlex.split(line.split("#")[0]) if re.match(r"(\.venv/bin/)?pems \w", line) else []
            if len(words) > 1 and words[1].islower():
                found.append((name_of(path), words[1:]))
    return found


@pytest.mark.parametrize("command", sorted(pems.commands))
def test_every_command_is_told(command: str) -> None:
    assert command in {words[0] for _, words in spoken_commands()}


def test_told_commands_and_their_options_exist() -> None:
    wrong = []
    for where, (name, *words) in spoken_commands():
        command: click.Command | None = pems.commands.get(name)
        if isinstance(command, click.Group):
            command = command.commands.get(words[0]) if words else command
        known = {option for p in (command.params if command else []) for option in [*p.opts, *p.secondary_opts]}
        unknown = [word for word in words if word.startswith("--") and word not in known]
        if command is None or unknown:
            wrong.append(f"{where}: pems {name} {' '.join(unknown)}")
    assert wrong == []


def options_of(command: str) -> list[str]:
    return [p.opts[-1] for p in pems.commands[command].params if isinstance(p, click.Option)]


@pytest.mark.parametrize("option", options_of("simulate"))
def test_every_option_of_a_simulation_is_told(option: str) -> None:
    told = page("docs/simulation.md")
    assert re.search(rf"`{option}[` ]|`--no-{option[2:]}`", told)


def test_told_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", page("Makefile"), re.MULTILINE))
    told = {target for path in PAGES for target in re.findall(r"\bmake ([a-z-]+)`", path.read_text(encoding="utf-8"))}
    told |= {line.split()[1] for path in PAGES for line in code_lines(path.read_text()) if line.startswith("make ")}
    assert told
    assert told <= targets


@pytest.mark.parametrize("column", [TIME, *REQUIRED, *OPTIONAL, SPOT])
def test_every_scenario_column_is_told_with_what_is_allowed(column: str) -> None:
    [row] = re.findall(rf"^\| `{column}` \|.*$", section("## Scenario columns"), re.MULTILINE)
    if column in LIMITS:
        allowed = LIMITS[column]
        assert f"| {allowed.unit} | {allowed.low:g} to {allowed.high:g} |" in row


def section(heading: str) -> str:
    _, _, rest = page("docs/simulation.md").partition(f"{heading}\n")
    return rest.partition("\n## ")[0]


@pytest.mark.parametrize(
    "column", [TIME, *EXPORTED, "flexible_load_kw", "unserved_kw", "<room>_c", "mode", "plan_source", "cost"]
)
def test_every_exported_column_is_told(column: str) -> None:
    assert f"`{column}`" in section("## Exported columns")


@pytest.mark.parametrize("word", [*ForecastQuality, *BASELINES, *Rung, *WEEKS])
def test_every_choice_of_a_simulation_is_told(word: str) -> None:
    assert f"`{word}`" in page("docs/simulation.md")


@pytest.mark.parametrize("rung", list(Rung))
def test_every_rung_is_told(rung: Rung) -> None:
    assert f"| `{rung}` |" in page("docs/architecture.md")


@pytest.mark.parametrize("name", [name for name, _ in CORE_SECTIONS])
def test_every_section_of_the_house_file_is_told(name: str) -> None:
    assert re.search(rf"^\| `\[+{name}\]+` \|", page("docs/configuration.md"), re.MULTILINE)


def test_the_tour_of_the_folders_leaves_none_out() -> None:
    tour = page("docs/architecture.md").partition("```\n")[2].partition("```")[0]
    told = set(re.findall(r"^  (\w+(?:/|\.py))", tour, re.MULTILINE))
    folders = [f"{p.name}/" for p in ROOT.glob("pems_core/*") if (p / "__init__.py").exists()]
    modules = [p.name for p in ROOT.glob("pems_core/*.py") if p.name != "__init__.py"]
    plugins = [f"{p.parent.name}/" for p in ROOT.glob("plugins/*/pyproject.toml")]
    assert told == {*folders, *modules, *plugins}


def test_the_tour_of_planning_leaves_none_out() -> None:
    tour = page("docs/architecture.md").partition("### Planning")[2].partition("## One cycle")[0]
    told = set(re.findall(r"`(\w+(?:\.py|/))`", tour))
    folders = [f"{p.parent.name}/" for p in ROOT.glob("pems_core/planning/*/__init__.py")]
    modules = [p.name for p in ROOT.glob("pems_core/planning/*.py") if p.name != "__init__.py"]
    assert told == {*folders, *modules}


def anchors(path: Path) -> set[str]:
    """Of the headings, as a forge makes them."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if re.match(r"https?:", target):
            continue
        file, _, anchor = target.partition("#")
        goal = (path.parent / file).resolve() if file else path
        if not goal.exists() or (anchor and anchor not in anchors(goal)):
            dead.append(target)
    assert dead == []


def test_every_page_is_reached_from_the_readme() -> None:
    reached, open_pages = set[Path](), [ROOT / "README.md"]
    while open_pages:
        current = open_pages.pop()
        if current in reached:
            continue
        reached.add(current)
        targets = re.findall(r"\]\(([^)#\s]+\.md)", current.read_text(encoding="utf-8"))
        open_pages += [(current.parent / t).resolve() for t in targets if not t.startswith("http")]
    assert [name_of(path) for path in ROOT.glob("docs/**/*.md") if path not in reached] == []


def test_every_trap_is_played() -> None:
    assert sorted(set(TRAPS) - {test.trap for test in played()}) == []
    assert sorted({test.trap for test in played()} - set(TRAPS)) == []
    assert [test.test for test in played() if not test.says] == []


def test_the_table_of_traps_names_every_test_that_plays_one() -> None:
    rows = re.findall(r"^\| (\w+) \| .*? \| \[(.*?)\]\(\.\./(.*?)\)", page("docs/traps.md"), re.MULTILINE)
    expected = sorted((t.trap, name_on_page(t), t.path) for t in played())
    assert sorted(rows) == expected, "run python -m tests.traps"
    assert "| failed |" not in page("docs/traps.md")

"""The ways in which real devices mislead, and the tests that play them; docs/traps.md is made from both.

`python -m tests.traps` runs every marked test and writes the page.
"""

import ast
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/traps.md"

GROUPS: Mapping[str, Mapping[str, str]] = {
    "Modbus wire": {
        "1": "a write is acknowledged and has no effect",
        "2": "a write takes, and goes back seconds or a minute later",
        "3": "a write is readable only after seconds, and acts after minutes",
        "4": "a poll that began before a write reads the old value",
        "5": "exceptions 1, 2, 3 and the undocumented 0",
        "6": "reads across a register group, or of too many registers, fail",
        "7": "an earlier long frame is replayed in place of the answer",
        "8": "an answer has another number of registers than was asked for",
        "9": "the echo of a write carries another value",
        "10": "RTU over TCP: one late answer shifts all that follow",
        "11": "a write is carried out, but its answer is lost",
        "12": "an idle connection is dropped, and the first write with it",
        "13": "a second master on the bus garbles answers",
        "14": "requests that come too fast are not answered",
        "15": "the gateway takes the connection and never answers",
        "16": "the inverter is silent by night and wakes with old counters",
        "17": "the inverter restarts while it is controlled",
        "18": "one address means two things in the two register spaces",
        "19": "the two halves of a 32-bit value are of different seconds",
        "20": "a small negative power reads as an enormous one",
    },
    "What Growatt's settings mean": {
        "21": "battery first charges from the grid with grid charging off",
        "22": "remote control enabled without power is stand-by, not self-use",
        "23": "remote power armed in the wrong order runs the old power",
        "24": "the remote timer ends late, or never",
        "25": "the remote power is a target: the unit imports to reach it",
        "26": "a repeated identical command delivers nothing",
        "27": "the 'actual' register shows the last setpoint after its end",
        "28": "giving up remote control clears the export limit for seconds",
        "29": "the export limit is approached over minutes",
        "30": "hidden limits: another register caps the target",
        "31": "slots that overlap or cross midnight are ignored without a word",
        "32": "slots of both modes enabled leave the mode undefined",
        "33": "writing the priority register toggles slot enables",
        "34": "two quick writes put a sibling's old value back",
        "35": "a register that was written too often sticks",
        "36": "writing an unchanged value wears memory, too",
        "36b": "a bridge's export command takes a plant with clamps its limit",
        "37": "the meter is lost: import, export and load read 0",
        "38": "import and export are swapped",
        "39": "scales differ by firmware",
        "40": "energy counters reset late, step back, or count the battery as PV",
    },
    "Battery": {
        "41": "too cold to charge",
        "42": "the battery limits its current",
        "43": "charging tapers near full",
        "44": "the state of charge jumps, sticks, or differs between two registers",
        "45": "the state of charge comes in whole percent and lags",
        "46": "the battery charges by itself at low charge",
        "47": "the battery's own computer falls silent",
        "48": "losses differ by direction, and standby draws power",
        "49": "the grid is gone",
        "50": "the inverter is derated",
    },
    "Time": {
        "51": "the inverter's clock drifts",
        "52": "somebody puts the clock back by an hour, again and again",
        "53": "nights of 23 and 25 hours",
        "54": "years of two digits, wrong weekdays",
        "55": "a slot that starts now or earlier waits until tomorrow",
        "56": "local times without a zone in the doubled hour",
    },
    "MQTT and bridges": {
        "57": "the broker keeps telemetry of hours ago",
        "58": "the last will replaces the telemetry",
        "59": "a kept result of an earlier command arrives at once",
        "60": "answers to two equal commands are swapped",
        "61": "telemetry and results are lost",
        "62": "commands beyond 256 bytes are dropped without a word",
        "63": "an empty payload is an error",
        "64": "success is reported, and nothing was written",
        "65": "messages arrive twice",
        "66": "buffered records arrive among live ones",
        "67": "raw integers here, scaled values there",
        "68": "two clients with one name evict each other",
        "69": "a long outage and a queue of commands",
        "70": "telemetry pauses for some cycles",
        "71": "fields are missing, null, or text",
        "72": "a kept command is carried out at the next start",
    },
    "Loxone": {
        "73": "the Miniserver blocks after failed logins",
        "74": "the Miniserver starts: refused, then not ready, then ready",
        "75": "the login expires in the middle",
        "76": "the connection is half open",
        "77": "the structure changed: objects renamed or gone",
        "78": "a manual temperature is stored and not in force",
        "79": "an offset is taken for a temperature",
        "80": "commands are accepted and ignored",
        "81": "a window is open",
        "82": "a person has set the room in the app",
        "83": "an override ends, or is replaced",
        "84": "a relay is on and draws nothing",
        "85": "a relay follows minutes after the command",
        "86": "the gateway forwards only what changed",
        "87": "datagrams are lost, doubled, out of order",
        "88": "decimal commas, units, `Code` and `code`",
        "89": "values that change within two seconds are merged",
        "90": "old values come back after a power cut",
        "91": "a sensor sticks or jumps",
        "92": "the heartbeat goes on while the loop is dead",
    },
}
TRAPS = {number: text for group in GROUPS.values() for number, text in group.items()}


@dataclass(frozen=True)
class Played:
    """A test that plays a trap."""

    trap: str
    path: str
    test: str
    """Its name, with that of its class if it has one."""
    says: str
    """What the device did and what became of it, by the test's own words."""


def played() -> list[Played]:
    """Every marked test, in order of file and line; whole houses in which a trap plays a part are the gate's."""
    found = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if path.parent.name != "gate":
            found += list(_of_module(path))
    return found


def _of_module(path: Path) -> Iterator[Played]:
    place = str(path.relative_to(ROOT))
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        for function, prefix in _functions(node):
            for decorator in function.decorator_list:
                for number in _numbers(decorator):
                    yield Played(number, place, prefix + function.name, _says(function))


def _functions(node: ast.stmt) -> Iterator[tuple[ast.FunctionDef | ast.AsyncFunctionDef, str]]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        yield node, ""
    elif isinstance(node, ast.ClassDef):
        for inner in node.body:
            if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                yield inner, f"{node.name}::"


def _numbers(decorator: ast.expr) -> Sequence[str]:
    if not (isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "pytest.mark.trap"):
        return ()
    return [str(ast.literal_eval(argument)) for argument in decorator.args]


def _says(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    return " ".join((ast.get_docstring(function) or "").split("\n\n")[0].split())


def name_on_page(test: Played) -> str:
    return test.test.rpartition("::")[2].removeprefix("test_").replace("_", " ")


def page(results: Mapping[tuple[str, str], str]) -> str:
    """The table, with the result of each test by its file and name."""
    tests = played()
    lines = [
        "# Traps",
        "",
        "Real devices mislead in ways that a specification does not tell. Each way that is known has a number; the",
        "simulated devices play it on the real protocol, and a test asserts what PEMS makes of it. This page is made",
        "by `python -m tests.traps`, which runs them.",
    ]
    for group, traps in GROUPS.items():
        lines += ["", f"## {group}", "", "| # | Trap | Test | What it shows | Result |", "|---|---|---|---|---|"]
        for number, text in traps.items():
            rows = [test for test in tests if test.trap == number]
            if not rows:
                lines.append(f"| {number} | {text} | | | no test |")
            for test in rows:
                result = results.get((test.path, test.test), "not run")
                shows = test.says.replace("|", "\\|")
                lines.append(f"| {number} | {text} | [{name_on_page(test)}](../{test.path}) | {shows} | {result} |")
    return "\n".join([*lines, ""])


def run() -> dict[tuple[str, str], str]:
    """The result of each marked test by file and name."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        files = sorted({test.path for test in played()})
        command = [sys.executable, "-m", "pytest", "-q", "-m", "trap", f"--junit-xml={report}", *files]
        subprocess.run(command, cwd=ROOT, check=False)
        cases = list(ET.parse(report).getroot().iter("testcase"))  # noqa: S314 - written by our own pytest
    results: dict[tuple[str, str], str] = {}
    for case in cases:
        key = _key(case)
        bad = any(case.find(what) is not None for what in ("failure", "error", "skipped"))
        # Of a test with parameters all must pass.
        results[key] = "failed" if bad or results.get(key) == "failed" else "passed"
    return results


def _key(case: ET.Element) -> tuple[str, str]:
    parts, name = case.attrib["classname"].split("."), case.attrib["name"].partition("[")[0]
    for depth in range(len(parts), 0, -1):
        path = "/".join(parts[:depth]) + ".py"
        if (ROOT / path).exists():
            return path, "::".join([*parts[depth:], name])
    return case.attrib["classname"], name


if __name__ == "__main__":
    outcome = run()
    PAGE.write_text(page(outcome), encoding="utf-8")
    missing = sorted(set(TRAPS) - {test.trap for test in played()})
    print(f"{len(TRAPS)} traps, {len(outcome)} tests; without a test: {', '.join(missing) or 'none'}")

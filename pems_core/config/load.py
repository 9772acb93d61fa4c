"""pems.toml -> validated sections; tells every fault at once."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from pems_core.domain import ConfigError

from .core import CORE_SECTIONS
from .faults import cross_faults, did_you_mean, repaired, validation_faults
from .section import Section, Surroundings

S = TypeVar("S", bound=Section)
Declared = Iterable[tuple[str, type[Section]]]
Raw = dict[str, object]

ENVIRONMENT = "PEMS_ENV"
"""Environment variable that names the overlay: `production` adds pems.production.toml to pems.toml."""


@dataclass(frozen=True)
class Config:
    """The validated sections, by their type."""

    tables: Mapping[type[Section], tuple[Section, ...]]
    files: tuple[Path, ...] = ()
    """What was read, in this order; a later file goes before an earlier one."""
    defaults: tuple[str, ...] = field(default=(), compare=False)
    """`key path = value` of everything that the files leave to its default."""

    @classmethod
    def of(cls, *sections: Section) -> "Config":
        """A configuration made in code."""
        tables: dict[type[Section], tuple[Section, ...]] = {}
        for section in sections:
            tables[type(section)] = (*tables.get(type(section), ()), section)
        return cls(tables)

    def __getitem__(self, section: type[S]) -> S:
        """The section of that type.

        :raises LookupError: if it is not in the file; use `get` for a section that may be left out.
        """
        found = self.get(section)
        if found is None:
            raise LookupError(f"{section.__name__} is not in the house file; use config.get() if it may be left out")
        return found

    def get(self, section: type[S]) -> S | None:
        """The section of that type, or None if the house file leaves it out."""
        return next(iter(self.all(section)), None)

    def all(self, section: type[S]) -> tuple[S, ...]:
        """Every table of a repeated section, such as [[pv]], in the order of the file."""
        return tuple(table for table in self.tables.get(section, ()) if isinstance(table, section))


def parse_config(
    text: str,
    declared: Declared = (),
    environ: Mapping[str, str] | None = None,
    folder: Path = Path(),
    source: str = "pems.toml",
) -> Config:
    """Validate a house file.

    :param declared: name and model of each plugin's section; the core's own need not be listed.
    :param environ: where `{ env = "NAME" }` secrets come from.
    :param folder: where relative `{ file = "path" }` secrets are looked for.
    :raises ConfigError: with one line for each fault.
    """
    raw, faults = _parse(text, source)
    if faults:
        raise ConfigError(faults)
    return _validate(raw, declared, Surroundings(environ or {}, folder), ())


def load_config(path: Path, declared: Declared, environ: Mapping[str, str]) -> Config:
    """Validate a house file and, laid over it, the file for the environment that `PEMS_ENV` names, if it names one.

    Tables are merged key by key; lists, [[lists of tables]] too, are replaced as a whole.

    :raises ConfigError: with one line for each fault.
    """
    merged, files = _read_all(path, environ)
    return _validate(merged, declared, Surroundings(environ, path.parent), files)


def load_section(path: Path, name: str, model: type[S], environ: Mapping[str, str]) -> S:
    """Validate one section of a house file, whatever else is wrong in it.

    :raises ConfigError: if the file cannot be read, or lacks the section and it has no defaults; else with one line for
        each of its faults.
    """
    merged, _ = _read_all(path, environ)
    found, faults = _section(name, model, merged, Surroundings(environ, path.parent))
    if faults:
        raise ConfigError(faults)
    if not found:
        raise ConfigError([f"{name}: missing in {path}; this needs a [{name}] section, see pems.example.toml"])
    return Config({model: found})[model]


def _read_all(path: Path, environ: Mapping[str, str]) -> tuple[Raw, tuple[Path, ...]]:
    """The house file with its overlay, and the files that were read."""
    files, faults = [path, *_overlays(path, environ)], list[str]()
    merged: Raw = {}
    for file in files:
        raw, found = _read(file)
        faults += found
        merged = _merge(merged, raw)
    if faults:
        raise ConfigError(faults)
    return merged, tuple(files)


def _overlays(path: Path, environ: Mapping[str, str]) -> list[Path]:
    name = environ.get(ENVIRONMENT, "")
    if not name:
        return []
    overlay = path.with_name(f"{path.stem}.{name}{path.suffix}")
    if overlay.exists():
        return [overlay]
    # A mistyped name must not run a house with the settings of another place.
    known = sorted(
        found.stem.removeprefix(f"{path.stem}.") for found in path.parent.glob(f"{path.stem}.*{path.suffix}")
    )
    fault = f"{ENVIRONMENT}: found {name!r}, and {overlay.name} is not there; allowed: {', '.join([*known, 'unset'])}"
    raise ConfigError([fault + did_you_mean(name, known)])


def _read(path: Path) -> tuple[Raw, list[str]]:
    try:
        # Some editors write a mark before the first character.
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        return {}, [f"{path}: cannot be read: {error.strerror}; a house file is needed, see pems.example.toml"]
    except UnicodeDecodeError as error:
        return {}, [f"{path}: byte {error.start} is not UTF-8; a TOML file is UTF-8 text"]
    return _parse(text, str(path))


def _parse(text: str, source: str) -> tuple[Raw, list[str]]:
    try:
        return tomllib.loads(text), []
    except tomllib.TOMLDecodeError as error:
        place = re.fullmatch(r"(?P<what>.*) \(at (?P<place>.*)\)", str(error), re.DOTALL)
        if place is None:
            return {}, [f"{source}: not TOML: {error}"]
        where = place["place"].replace("end of document", f"line {len(text.splitlines())}, its end")
        return {}, [f"{source}, {where}: not TOML: {place['what']}"]


def _merge(below: Raw, above: Raw) -> Raw:
    merged = dict(below)
    for key, value in above.items():
        before = merged.get(key)
        merged[key] = _merge(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return merged


def _validate(raw: Raw, declared: Declared, surroundings: Surroundings, files: tuple[Path, ...]) -> Config:
    models = dict([*CORE_SECTIONS, *declared])
    faults = [
        f"{name}: unknown section; known: {', '.join(models)}{did_you_mean(name, models)}"
        for name in raw
        if name not in models
    ]
    tables: dict[type[Section], tuple[Section, ...]] = {}
    defaults: list[str] = []
    for name, model in models.items():
        found, wrong = _section(name, model, raw, surroundings)
        faults += wrong
        defaults += [f"{name}.{line}" for section in found for line in _left_to_default(section)]
        tables[model] = found
    if faults:
        raise ConfigError(faults)
    return Config(tables, files, tuple(defaults))


def _section(
    name: str, model: type[Section], raw: Raw, surroundings: Surroundings
) -> tuple[tuple[Section, ...], list[str]]:
    """The tables of one section, and its faults."""
    written = raw.get(name)
    if written is None:
        if model.required:
            return (), [f"{name}: missing; a house file has a [{name}] section, see pems.example.toml"]
        if model.repeated or any(info.is_required() for info in model.model_fields.values()):
            return (), []
        return (model(),), []
    if not model.repeated:
        table, faults = _table(name, model, written, surroundings)
        return (() if table is None else (table,)), faults
    if not isinstance(written, list):
        return (), [f"{name}: found [{name}]; allowed: [[{name}]], any number of times"]
    results = [_table(_member(name, index, entry), model, entry, surroundings) for index, entry in enumerate(written)]
    return tuple(t for t, _ in results if t is not None), [fault for _, faults in results for fault in faults]


def _member(name: str, index: int, entry: object) -> str:
    label = entry.get("name") if isinstance(entry, dict) else None
    return f"{name}[{label if isinstance(label, str) else index + 1}]"


def _table(
    path: str, model: type[Section], written: object, surroundings: Surroundings
) -> tuple[Section | None, list[str]]:
    try:
        table = model.model_validate(written, context=surroundings)
    except ValidationError as error:
        told = list(validation_faults(path, model, written, error))
        return None, told + _faults_beside(path, model, repaired(model, written, error), surroundings, told)
    return table, list(cross_faults(path, written, table))


def _faults_beside(
    path: str, model: type[Section], mended: object, surroundings: Surroundings, told: list[str]
) -> list[str]:
    """Faults between keys that can be found although some values are wrong."""
    try:
        table = model.model_validate(mended, context=surroundings)
    except ValidationError:
        return []  # too much is wrong to look further; what is wrong has been told
    places = {line.partition(": ")[0] for line in told}
    return [line for line in cross_faults(path, mended, table) if line.partition(": ")[0] not in places]


def _left_to_default(section: Section) -> Iterable[str]:
    for key, info in type(section).model_fields.items():
        if key not in section.model_fields_set:
            yield f"{info.alias or key} = {info.get_default(call_default_factory=True)!r}"

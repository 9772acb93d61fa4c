"""Says what is wrong in pems.toml: `key path: what was found; what is allowed; did you mean 'x'?`"""

import copy
import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from .section import Fault, Loc, Table

_KINDS = {
    "model_type": "a table",
    "dict_type": "a table",
    "tuple_type": "a list",
    "list_type": "a list",
    "float_type": "a number",
    "int_type": "a whole number",
    "bool_type": "true or false",
    "string_type": "text",
    "finite_number": "a finite number",
}


def key_path(name: str, raw: object, loc: Loc) -> str:
    """Where a value stands; members of a list go by their name, or by their place counted from 1.

    >>> key_path("heating_loxone", {"room": [{"name": "kitchen"}]}, ("room", 0, "relay_kw"))
    'heating_loxone.room[kitchen].relay_kw'
    >>> key_path("pv", [{}, {}], (1, "peak_kw"))
    'pv[2].peak_kw'
    """
    path, here = name, raw
    for key in loc:
        here = _below(here, key)
        if isinstance(key, int):
            label = here.get("name") if isinstance(here, dict) else None
            path += f"[{label if isinstance(label, str) else key + 1}]"
        else:
            path += f".{key}"
    return path


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """
    >>> did_you_mean("batery_kwh", ["battery_kwh", "ac_limit_kw"])
    "; did you mean 'battery_kwh'?"
    """
    near = difflib.get_close_matches(str(word), list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def validation_faults(name: str, model: type[Table], raw: object, error: ValidationError) -> Iterator[str]:
    """One line for each value that pydantic refused."""
    for detail in error.errors():
        yield f"{key_path(name, raw, detail['loc'])}: {_tell(model, detail)}"


def cross_faults(name: str, raw: object, table: Table) -> Iterator[str]:
    """One line for each fault between keys, of a table and of all tables below it."""
    for loc, text in _all_faults(table):
        yield f"{key_path(name, raw, loc)}: {text}"


def repaired(model: type[Table], raw: object, error: ValidationError) -> object:
    """A copy of `raw` without the values that pydantic refused, so that the rest can still be checked.

    A refused value falls back to its key's default, or to the key's first example if it has no default.
    """
    result = copy.deepcopy(raw)
    for detail in error.errors():
        if detail["loc"]:
            _repair(model, result, detail["loc"])
    return result


def _repair(model: type[Table], raw: object, loc: Loc) -> None:
    parent, key = raw, loc[-1]
    for step in loc[:-1]:
        parent = _below(parent, step)
    if not isinstance(parent, dict) or not isinstance(key, str):
        return
    parent.pop(key, None)
    info = _field(_model_at(model, loc[:-1]), key)
    if info is not None and info.is_required() and info.examples:
        parent[key] = info.examples[0]


def _all_faults(table: Table) -> Iterator[Fault]:
    yield from table.faults()
    for field, info in type(table).model_fields.items():
        value = table.__dict__[field]
        key = info.alias or field
        if isinstance(value, Table):
            yield from (Fault((key, *fault.loc), fault.text) for fault in _all_faults(value))
        elif isinstance(value, tuple):
            for index, member in enumerate(value):
                if isinstance(member, Table):
                    yield from (Fault((key, index, *fault.loc), fault.text) for fault in _all_faults(member))


def _tell(model: type[Table], detail: ErrorDetails) -> str:
    kind, loc = detail["type"], detail["loc"]
    if kind == "extra_forbidden":
        known = _keys(_model_at(model, loc[:-1]))
        return f"unknown key; known: {', '.join(known)}{did_you_mean(loc[-1], known)}"
    if kind == "missing":
        return f"missing; needed: {_description(_model_at(model, loc[:-1]), str(loc[-1]))}"
    if kind == "value_error":
        return detail["msg"].removeprefix("Value error, ")
    allowed = _KINDS.get(kind) or detail["msg"].removeprefix("Input should be ")
    expected = detail.get("ctx", {}).get("expected", "") if kind == "literal_error" else ""
    return f"found {_short(detail['input'])}; allowed: {allowed}{did_you_mean(detail['input'], _quoted(expected))}"


def _below(raw: object, key: str | int) -> object:
    if isinstance(raw, Mapping) and isinstance(key, str):
        return raw.get(key)
    if isinstance(raw, Sequence) and not isinstance(raw, str) and isinstance(key, int) and key < len(raw):
        return raw[key]
    return None


def _short(value: object) -> str:
    text = "true" if value is True else "false" if value is False else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _quoted(expected: str) -> list[str]:
    return expected.split("'")[1::2]


def _keys(model: type[Table]) -> list[str]:
    return [info.alias or name for name, info in model.model_fields.items()]


def _field(model: type[Table], key: str) -> FieldInfo | None:
    return next((info for name, info in model.model_fields.items() if key == (info.alias or name)), None)


def _description(model: type[Table], key: str) -> str:
    info = _field(model, key)
    return (info.description if info else None) or key


def _model_at(model: type[Table], loc: Loc) -> type[Table]:
    """The table that stands at `loc` below a section."""
    for key in loc:
        info = _field(model, key) if isinstance(key, str) else None
        model = (_table_in(info.annotation) if info else None) or model
    return model


def _table_in(annotation: Any) -> type[Table] | None:
    if isinstance(annotation, type) and issubclass(annotation, Table):
        return annotation
    return next((found for part in get_args(annotation) if (found := _table_in(part))), None)

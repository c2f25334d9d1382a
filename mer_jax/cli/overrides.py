"""`--set a.b=value` on frozen dataclasses, and the sweeps it spans."""

import contextlib
import dataclasses
import itertools
import json
import types
import typing
from collections.abc import Sequence
from typing import Any

from mer_jax.ensemble.experiment import Experiment
from mer_jax.errors import UserError


def sweep(
    experiments: Sequence[Experiment], assignments: Sequence[str]
) -> list[Experiment]:
    """Returns every experiment under every combination of the assigned values.

    Args:
      experiments: rows of an experiment file.
      assignments: "field.path=value"; "v1,v2" sweeps; a tuple is "[v1,v2]".

    Returns:
      The rows; those of a sweep are named "name[field.path=value,...]".

    Raises:
      UserError: for a malformed assignment, an unknown field (with those there
        are), or a value of the wrong type.
    """
    axes = [_parse(text) for text in assignments]
    rows = []
    for experiment in experiments:
        for values in itertools.product(*(values for _, values in axes)):
            row, suffix = experiment, []
            for (path, options), value in zip(axes, values, strict=True):
                row = replace(row, path, value)
                if len(options) > 1:
                    suffix.append(f"{path}={value}")
            name = row.name + (f"[{','.join(suffix)}]" if suffix else "")
            rows.append(dataclasses.replace(row, name=name))
    return rows


def _parse(text: str) -> tuple[str, list[str]]:
    path, equals, values = text.partition("=")
    if not (path and equals):
        raise UserError(f"--set {text}: expected field.path=value")
    return path.strip(), _split(values)


def _split(text: str) -> list[str]:
    """Splits at the commas outside brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += {"[": 1, "]": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def replace(config: Any, path: str, text: str, whole: str = "") -> Any:
    """Returns `config` with one field set from its text.

    Args:
      config: a frozen dataclass.
      path: "field" or "field.field".
      text: the value, parsed to the field's type.
      whole: the path from the top, for messages.
    """
    whole = whole or path
    head, _, rest = path.partition(".")
    fields = [f.name for f in dataclasses.fields(config)]
    if head not in fields:
        where = whole.removesuffix(path).rstrip(".") or "the experiment"
        raise UserError(
            f"--set {whole}: {where} ({type(config).__name__}) has no field {head!r}; "
            f"it has: {', '.join(fields)}"
        )
    old = getattr(config, head)
    if rest:
        if not dataclasses.is_dataclass(old):
            raise UserError(f"--set {whole}: {head} is a value, it has no fields")
        return dataclasses.replace(config, **{head: replace(old, rest, text, whole)})
    if dataclasses.is_dataclass(old):
        inner = ", ".join(f"{whole}.{f.name}" for f in dataclasses.fields(old))
        raise UserError(f"--set {whole}: set one of its fields instead: {inner}")
    kind = typing.get_type_hints(type(config))[head]
    return dataclasses.replace(config, **{head: parse_value(text, kind, whole)})


def parse_value(text: str, kind: Any, path: str) -> Any:
    """Returns `text` as a value of type `kind`.

    Raises:
      UserError: naming the path, the text and what was expected.
    """
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    wrong = UserError(f"--set {path}={text}: expected {_describe(kind)}")
    if origin in (typing.Union, types.UnionType):
        if text.lower() == "none" and type(None) in arguments:
            return None
        for either in (a for a in arguments if a is not type(None)):
            with contextlib.suppress(UserError):
                return parse_value(text, either, path)
        raise wrong
    if origin is typing.Literal:
        matches = [a for a in arguments if str(a) == text]
        if not matches:
            raise wrong
        return matches[0]
    if origin is tuple:
        inside = text.removeprefix("[").removesuffix("]")
        parts = [p.strip() for p in inside.split(",") if p.strip()]
        return tuple(parse_value(part, arguments[0], path) for part in parts)
    if kind is bool:
        if text.lower() not in ("true", "false"):
            raise wrong
        return text.lower() == "true"
    if kind is str:
        return text
    if kind not in (int, float):
        raise UserError(f"--set {path}: a {_describe(kind)} cannot be set from text")
    try:
        value = json.loads(text)
    except ValueError:
        raise wrong from None
    # 800.0 is not an integer, but 1 is a float.
    if isinstance(value, bool) or not isinstance(value, kind | int):
        raise wrong
    return kind(value)


def _describe(kind: Any) -> str:
    if typing.get_origin(kind) is typing.Literal:
        return "one of " + ", ".join(map(str, typing.get_args(kind)))
    if typing.get_origin(kind) is tuple:
        return f"[v1,v2,...] of {_describe(typing.get_args(kind)[0])}"
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return " or ".join(_describe(a) for a in typing.get_args(kind))
    return {type(None): "none", str: "text"}.get(kind, getattr(kind, "__name__", kind))

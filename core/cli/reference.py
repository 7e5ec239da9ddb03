"""The reference of the command line in Markdown, generated from the commands themselves and from the settings of a run:
`python -m core reference`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import typer

from core.config import TrainConfig, field_label
from core.files import PROJECT_ROOT
from core.runs.naming import typed_setting

REFERENCE: Final = Path(__file__).with_name("README.md")
"""Where the reference is kept."""

REGENERATE: Final = f"python -m core reference > {REFERENCE.relative_to(PROJECT_ROOT)}"

_HEAD: Final = f"""# The command line

Generated from the commands by `{REGENERATE}`: edit their texts, not this file.
`--help` after any command shows the same. Exit code 0 on success; 2 on bad input, with one line that says what to do; 1
on a failure."""

_TYPES: Final = {str: "text", int: "integer", float: "number", Path: "path"}


def reference(context: typer.Context) -> None:
    """Print the reference of all commands in Markdown."""
    print(describe(context.find_root().command), end="")


def describe(root: Any) -> str:
    """The reference of a command and all below it.

    Args:
        root: what `typer.main.get_command` returns for an application.

    Returns:
        Markdown: a section for each command, with a table of its arguments and options, and one with all settings.
    """
    commands = (_section(name, command) for name, command in walk(root, "python -m core"))
    return "\n\n".join([_HEAD, *commands, _settings()]) + "\n"


def walk(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Each command that is shown in help, with its full name, groups before what they hold."""
    yield name, command
    for child, below in getattr(command, "commands", {}).items():
        if not below.hidden:
            yield from walk(below, f"{name} {child}")


def parameters(command: Any) -> list[Any]:
    """Its arguments and options, without those that are hidden."""
    return [each for each in command.params if not getattr(each, "hidden", False)]


def spellings(parameter: Any) -> list[str]:
    """Its spellings: `RUN`, or `--faces` and `--no-faces`."""
    if parameter.opts[0].startswith("-"):
        return [*parameter.opts, *parameter.secondary_opts]
    return [parameter.metavar or parameter.name.upper()]


def _section(name: str, command: Any) -> str:
    parts = [f"{'##' if hasattr(command, 'commands') else '###'} `{name}`", _one_line(command.help)]
    if own := parameters(command):
        rows = [
            f"| {', '.join(f'`{each}`' for each in spellings(parameter))} | {_kind(parameter)} | {_default(parameter)} "
            f"| {_one_line(parameter.help)} |"
            for parameter in own
        ]
        parts.append("\n".join(["| argument or option | value | default | meaning |", "|---|---|---|---|", *rows]))
    return "\n\n".join(parts)


def _kind(parameter: Any) -> str:
    """What it takes: its type, range or choices."""
    if getattr(parameter, "is_flag", False):
        return "flag"
    described = parameter.type_descriptor
    if described.choices:
        kind = ", ".join(f"`{choice.value}`" for choice in described.choices)
    else:
        [*_, annotation] = getattr(described.annotation, "__args__", (described.annotation,))
        kind = _TYPES[annotation] + _range(described.parameter_info)
    if parameter.opts[0].startswith("-") and parameter.metavar:
        return f"`{parameter.metavar}`, {kind}"
    return kind


def _range(info: Any) -> str:
    low, high = info.min, info.max
    if low is not None and high is not None:
        return f", {low:g} to {high:g}"
    return f", at least {low:g}" if low is not None else f", at most {high:g}" if high is not None else ""


def _default(parameter: Any) -> str:
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    if parameter.required:
        return "required"
    default = getattr(parameter.default, "value", parameter.default)
    if getattr(parameter, "is_flag", False):
        return {True: "on", False: "off"}.get(default, "")
    return "" if default in (None, "") else f"`{default}`"


def _settings() -> str:
    """All fields of `TrainConfig`."""
    kinds = TrainConfig.model_json_schema()["properties"]
    rows = [
        f"| {field_label(name)} | `{name}` | {_values(kinds[name])} | {_typed(field.default)} "
        f"| {_one_line(field.description)} |"
        for name, field in TrainConfig.model_fields.items()
    ]
    head = ["| setting | name | values | default | meaning |", "|---|---|---|---|---|"]
    return "\n\n".join(
        [
            "## Settings",
            "What `--set NAME=VALUE` and `--sweep NAME=VALUE,VALUE` take, the form on the Train page shows, and "
            "`config.json` of a run holds.",
            "\n".join([*head, *rows]),
        ]
    )


def _values(schema: dict[str, Any]) -> str:
    """What a setting takes, from its JSON schema."""
    if "enum" in schema:
        return ", ".join(_typed(each) for each in schema["enum"])
    kinds = {"array": "run IDs, separated by commas", "string": "text", "boolean": "`true`, `false`"}
    kind = kinds.get(schema["type"], str(schema["type"]))
    if schema["type"] not in ("integer", "number"):
        return kind
    low = f"above {schema['exclusiveMinimum']:,g}" if "exclusiveMinimum" in schema else f"{schema['minimum']:,}"
    high = f"below {schema['exclusiveMaximum']:,g}" if "exclusiveMaximum" in schema else f"{schema['maximum']:,}"
    return f"{kind}, {low} to {high}"


def _typed(value: Any) -> str:
    """A value as it is typed."""
    text = typed_setting(value)
    return f"`{text}`" if text else "empty"


def _one_line(text: str | None) -> str:
    return re.sub(r"([|*])", r"\\\1", " ".join((text or "").split()))

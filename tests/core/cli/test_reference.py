"""The reference of the command line lists what there is, and the documents name commands and options that exist."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main
from typer._click.exceptions import MissingParameter, UsageError
from typer.testing import CliRunner

from core.__main__ import app
from core.cli.reference import REFERENCE, REGENERATE, describe, parameters, spellings, walk
from tests.conftest import PROJECT_ROOT

ROOT: Any = typer.main.get_command(app)
DOCUMENTS = [PROJECT_ROOT / name for name in ("README.md", "core/README.md", "runs/README.md")]


def existing(command: Any = ROOT, name: str = "python -m core") -> set[str]:
    """Every command, argument and option that is not hidden, as `command` or `command option`."""
    found = {name}
    for parameter in parameters(command):
        is_option = parameter.opts[0].startswith("-")
        written = [*parameter.opts, *parameter.secondary_opts] if is_option else spellings(parameter)
        found |= {f"{name} {each}" for each in written}
    for child, below in getattr(command, "commands", {}).items():
        found |= set() if below.hidden else existing(below, f"{name} {child}")
    return found


def documented(text: str) -> set[str]:
    """The same, as the headings and the first column of the tables of a reference say."""
    found, command = set(), ""
    for line in text.splitlines():
        if heading := re.fullmatch(r"##+ `(.*)`", line):
            command = heading[1]
            found.add(command)
        elif row := re.match(r"\| (`[^|]*`) \|", line):
            found |= {f"{command} {each}" for each in re.findall(r"`([^`]+)`", row[1])}
    return found


def offences(text: str) -> list[str]:
    """What is missing in a reference, and what stands there without being there."""
    there, said = existing(), documented(text)
    return sorted([f"not documented: {each}" for each in there - said] + [f"no such: {each}" for each in said - there])


def test_the_reference_lists_what_there_is_and_nothing_else() -> None:
    assert offences(REFERENCE.read_text()) == [], f"run `{REGENERATE}`"


@pytest.mark.parametrize(
    ("old", "new", "offence"),
    [
        ("| `--tta` |", "| |", "not documented: python -m core evaluate --tta"),
        ("| `--tta` |", "| `--ttb` |", "no such: python -m core evaluate --ttb"),
        ("`--star`, `--unstar`", "`--star`", "not documented: python -m core runs annotate --unstar"),
        ("### `python -m core bench pages`", "", "not documented: python -m core bench pages"),
        ("### `python -m core bench pages`", "### `python -m core x`", "no such: python -m core x"),
    ],
)
def test_the_check_of_the_reference_can_fail(old: str, new: str, offence: str) -> None:
    text = REFERENCE.read_text()
    assert text.count(old) == 1
    assert offence in offences(text.replace(old, new))


def test_the_file_is_what_the_command_prints() -> None:
    printed = CliRunner().invoke(app, ["reference"], catch_exceptions=False).stdout
    assert printed == describe(ROOT)
    assert REFERENCE.read_text() == printed, f"the commands have changed: run `{REGENERATE}`"


def test_every_command_argument_and_option_has_a_help_text() -> None:
    for name, command in walk(ROOT, "python -m core"):
        assert command.help, name
        for parameter in parameters(command):
            assert parameter.help, (name, parameter.name)
            is_repeatable_option = parameter.multiple and parameter.opts[0].startswith("-")
            assert is_repeatable_option == ("repeatable" in parameter.help), (name, parameter.name)


# --- command lines in the documents


def command_lines(text: str) -> Iterator[tuple[str, bool]]:
    """What follows `python -m core` in a document, and whether it stands in a block of code, to be copied."""
    blocks = re.compile(r"^```\w*\n(.*?)^```$|^((?: {4}[^\n]*\n)+)", re.DOTALL | re.MULTILINE)
    for block in blocks.finditer(text):
        for line in (block[1] or block[2]).replace("\\\n", " ").splitlines():
            if found := re.search(r"python -m core (.*)", line):
                yield found[1], True
    for mention in re.findall(r"`python -m core\s([^`]*)`", blocks.sub("", text)):
        yield " ".join(mention.split()), False


def trouble(line: str, is_whole: bool) -> str | None:
    """Why the command line would be refused, if it would; a mention in a sentence may leave out arguments."""
    name, command, words = "core", ROOT, shlex.split(line)
    while hasattr(command, "commands"):
        if not words:
            return None if not is_whole else f"{name} needs a command"
        name = words.pop(0)
        if name not in command.commands:
            return f"no command {name!r}"
        command = command.commands[name]
    try:
        command.make_context(name, words)
    except MissingParameter as error:
        return None if not is_whole else error.format_message()
    except UsageError as error:
        return error.format_message()
    return None


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(PROJECT_ROOT)))
def test_every_command_line_in_the_documents_is_understood(document: Any) -> None:
    lines = list(command_lines(document.read_text()))
    assert lines
    assert {line: said for line, is_whole in lines if (said := trouble(line, is_whole))} == {}


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("```sh\npython -m core train --preset quick\n```\n", False),
        ("```sh\npython -m core train --presets quick\n```\n", True),
        ("```sh\npython -m core evaluate RUN --split nope\n```\n", True),
        ("```sh\npython -m core evaluate\n```\n", True),
        ("see `python -m core evaluate`\n", False),
        ("see `python -m core\nevaluate --nope`\n", True),
        ("see `python -m core runs vanish`\n", True),
        ("so:\n\n    python -m core runs list \\\n        --nope\n", True),
    ],
)
def test_a_wrong_command_line_in_a_document_is_found(text: str, refused: bool) -> None:
    [(line, is_whole)] = command_lines(text)
    assert bool(trouble(line, is_whole)) is refused

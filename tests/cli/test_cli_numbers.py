"""Every number that an option takes has a range, and none takes NaN."""

from typing import Annotated, get_args, get_origin, get_type_hints

import pytest
import typer

from aligner.cli.app import app
from aligner.errors import ConfigError

# No limit is a number too, where a limit is asked for.
ALLOWED = {("train", "--max-minutes", "inf")}


def commands(
    group: typer.Typer, path: tuple[str, ...] = ()
) -> dict[tuple[str, ...], object]:
    """Return the function of each command, by its name in all groups."""
    found: dict[tuple[str, ...], object] = {
        (*path, command.name or command.callback.__name__): command.callback
        for command in group.registered_commands
        if command.callback
    }
    for inner in group.registered_groups:
        assert inner.typer_instance
        found |= commands(inner.typer_instance, (*path, str(inner.name)))
    return found


def numeric_options() -> list[tuple[tuple[str, ...], str]]:
    """Return every option that takes a number, by its command."""
    found = []
    for path, function in commands(app).items():
        for name, hint in get_type_hints(function, include_extras=True).items():
            kind = get_args(hint)[0] if get_origin(hint) is Annotated else hint
            if {int, float} & {kind, *get_args(kind)}:
                found.append((path, f"--{name.replace('_', '-')}"))
    return found


def parse(path: tuple[str, ...], arguments: list[str]) -> None:
    """Parse a command line as the program does, and run nothing."""
    command = typer.main.get_command(app)
    for name in path:
        command = command.commands[name]  # type: ignore[attr-defined]
    command.make_context(path[-1], arguments)


def test_there_are_such_options() -> None:
    options = numeric_options()
    assert (("align",), "--threshold") in options
    assert (("analyze", "bert"), "--batch-tokens") in options
    assert len(options) > 30


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-1", "1e400", "9" * 30])
@pytest.mark.parametrize(
    ("path", "option"), numeric_options(), ids=lambda part: "".join(part)
)
def test_what_is_no_number_in_its_range_is_refused(
    path: tuple[str, ...], option: str, value: str
) -> None:
    if (path[-1], option, "inf") in ALLOWED and value in ("inf", "1e400", "9" * 30):
        return
    with pytest.raises(Exception, match=r"number|integer") as refusal:  # the library's
        parse(path, [f"{option}={value}"])
    message = str(refusal.value)
    if isinstance(refusal.value, ConfigError):
        assert message.startswith(f"{option}: expected a ")
    else:  # by the type already: no whole number
        assert "integer" in message

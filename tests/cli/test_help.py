"""Help fits a screen of 80 columns, and its texts have room."""

import re

import pytest
from conftest import ENVIRONMENT, Run

MOST_LINES = {"align": 90, "train": 70, "evaluate": 70, "view": 70, "prior": 75}
NARROWEST = 45  # columns of a help text


def help_of(run: Run, *command: str) -> list[str]:
    result = run(*command, env={**ENVIRONMENT, "COLUMNS": "80"})
    assert not result.err
    return result.out.splitlines()


@pytest.mark.parametrize(("command", "most"), MOST_LINES.items())
def test_help_fits(run: Run, command: str, most: int) -> None:
    lines = help_of(run, command, "--help")
    assert len(lines) <= most
    assert max(map(len, lines)) <= 80
    # Where an option's text begins, behind its name and what it takes.
    option = re.compile(r"│ [* ]*--[\w-]+ +(?:-\w +)?(?:\S+ {2,})?(?=\S)")
    begun = map(option.match, lines)
    starts = [found.end() for found in begun if found]
    assert len(starts) > 3
    assert 78 - max(starts) >= NARROWEST


@pytest.mark.parametrize("command", ["align", "train"])
def test_flags_have_no_twins(run: Run, command: str) -> None:
    assert "--no-" not in "\n".join(help_of(run, command, "--help"))


def test_what_most_people_need_comes_first(run: Run) -> None:
    text = "\n".join(help_of(run, "align", "--help"))
    options = re.findall(r"--[a-z-]+", text.partition("─ Text ─")[2])
    shown = list(dict.fromkeys(options))[:3]
    assert shown == ["--src", "--tgt", "--out"]
    commands = re.findall(r"^│ (\w+) ", "\n".join(help_of(run, "--help")), re.MULTILINE)
    assert commands[:3] == ["train", "align", "evaluate"]

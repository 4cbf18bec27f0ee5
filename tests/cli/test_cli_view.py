"""aligner view as a process: which pairs it shows, and which mistakes it names."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import SENTENCES, Run, Trained, outcome, start

from aligner.cli.app import app
from aligner.links.formats import format_pharaoh, read_pharaoh
from aligner.nmt import precision
from aligner.sample.grammar import sample_corpus

# Several commands in one process, as loading the libraries takes most of the time.
MANY = """
import json, sys
from aligner.cli.app import app
for arguments in json.loads(sys.argv[1]):
    app(["view", *arguments], standalone_mode=False)
"""
CHOICES = {
    "first": ([], list(range(1, 11))),
    "pairs": (["--pairs", "3,1,5-7,6"], [3, 1, 5, 6, 7]),
    "all": (["--random", "99"], list(range(1, SENTENCES + 1))),
    "random": (["--random", "4", "--seed", "3"], None),
    "again": (["--random", "4", "--seed", "3"], None),
    "other": (["--random", "4"], None),
    "links": (["--hyp", "{folder}/gold", "--layer", "1", "--rows", "awo"], None),
    "worst": (["--gold", "{folder}/gold", "--hyp", "{folder}/hyp"], [8, 2]),
    "one": (["--gold", "{folder}/gold", "--hyp", "{folder}/hyp", "--worst", "1"], [8]),
    "own": (["--gold", "{folder}/gold", "--worst", "2"], [1, 2]),
    "based": (["--gold", "{folder}/gold.talp", "--worst", "2"], [1, 2]),
}


def content(page: Path) -> dict[str, Any]:
    text = page.read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(
        text.split('id="data">')[1].split("</script>")[0]
    )
    return found


@pytest.fixture(scope="module")
def folder(
    trained: Trained, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Show the test text in all the ways above; the gold is the model's own links."""
    folder = tmp_path_factory.mktemp("viewed")
    text = [*map(str, trained.text())]
    result = run("align", trained.model, *text, "--out", folder / "gold")
    assert result.code == 0, result.err
    gold = read_pharaoh(folder / "gold")
    assert all(len(links) > 1 for links in gold)
    wrong = [
        links if i not in (1, 7) else frozenset(sorted(links)[: (i == 1)])
        for i, links in enumerate(gold)
    ]
    lines = {
        "hyp": map(format_pharaoh, wrong),
        "gold.talp": (
            format_pharaoh((s + 1, t + 1) for s, t in links) for links in gold
        ),
    }
    for name, written in lines.items():
        (folder / name).write_text("".join(f"{line}\n" for line in written))
    commands = [
        [str(trained.model), *text, "--out", str(folder / f"{name}.html")]
        + [option.format(folder=folder) for option in options]
        for name, (options, _) in CHOICES.items()
    ]
    result = run(json.dumps(commands), program=MANY)
    assert result.code == 0, result.err
    assert result.out == ""
    assert f"first.html: 10 of {SENTENCES} pairs" in result.err
    assert "note: no pair has an error" in result.err
    return folder


@pytest.mark.parametrize("name", [n for n, (_, pairs) in CHOICES.items() if pairs])
def test_pairs_chosen(folder: Path, trained: Trained, name: str) -> None:
    shown = content(folder / f"{name}.html")["pairs"]
    assert [pair["number"] for pair in shown] == CHOICES[name][1]
    src, tgt = (
        file.read_text(encoding="utf-8").splitlines()
        for file in (trained.test_src, trained.test_tgt)
    )
    for pair in shown:
        assert " ".join(pair["src"]) == src[pair["number"] - 1]
        assert " ".join(pair["tgt"]) == tgt[pair["number"] - 1]


def test_random_pairs_depend_on_the_seed(folder: Path) -> None:
    first, again, other = (
        [pair["number"] for pair in content(folder / f"{name}.html")["pairs"]]
        for name in ("random", "again", "other")
    )
    assert first == again == sorted(set(first))
    assert len(first) == len(other) == 4
    assert first != other


@pytest.mark.parametrize("name", ["first", "links"])
def test_links_are_the_models_own_or_those_given(folder: Path, name: str) -> None:
    gold = read_pharaoh(folder / "gold")
    for pair in content(folder / f"{name}.html")["pairs"]:
        links = sorted(gold[pair["number"] - 1])
        assert pair["links"] == [[s, t, "link"] for s, t in links]
        assert pair["aer"] is None


def test_links_are_compared_with_gold(folder: Path) -> None:
    worst, second = content(folder / "worst.html")["pairs"]
    assert worst["aer"] == 1
    assert {kind for _, _, kind in worst["links"]} == {"missed"}
    assert {kind for _, _, kind in second["links"]} == {"correct", "missed"}
    for name in ("own", "based"):
        pairs = content(folder / f"{name}.html")["pairs"]
        assert {kind for pair in pairs for _, _, kind in pair["links"]} == {"correct"}


def test_what_is_shown_first(folder: Path, trained: Trained) -> None:
    choice = json.loads((trained.model / "meta.json").read_text())["alignment"]
    stored = [choice["layer"] - 1, choice["rows"]]
    for page, first in (("first", stored), ("links", [0, "awo"])):
        ways = content(folder / f"{page}.html")["ways"]
        assert [way["first"] for way in ways.values()] == [first, first]


def test_pairs_that_cannot_be_aligned_say_why(trained: Trained, tmp_path: Path) -> None:
    text, out = tmp_path / "text", tmp_path / "new" / "page.html"
    text.write_text("the king ||| der König\n ||| leer\n" + "long " * 40 + "||| kurz\n")
    options = ["--src", text, "--out", out, "--max-length", "30"]
    result = outcome(start(["view", trained.model, *options]))
    assert result.code == 0, result.err
    good, empty, long = content(out)["pairs"]
    assert good["scores"]
    assert empty["problem"] == "the source side is empty"
    assert re.search(r"subwords, more than max_length 30", long["problem"])
    assert not empty["scores"]
    assert not long["scores"]
    assert len(list(out.parent.iterdir())) == 1


MISTAKES = {
    "two choices": ("--pairs 1 --random 2", "--pairs and --random"),
    "seed alone": ("--seed 2", "--seed: expected --random"),
    "worst without gold": ("--worst 2", "--worst: expected --gold"),
    "format without gold": ("--gold-format talp", "--gold-format: expected --gold"),
    "no numbers": ("--pairs 1,x", "--pairs: expected numbers and ranges"),
    "pair 0": ("--pairs 0", f"from 1 to {SENTENCES}"),
    "beyond the end": ("--pairs 3-99", f"from 1 to {SENTENCES}", "test.src", "3-99"),
    "backwards": ("--pairs 7-5", "7-5"),
    "hyp too short": ("--hyp {short}", f"expected {SENTENCES} lines", "got 1"),
    "gold too short": ("--gold {short}", f"expected {SENTENCES} lines", "got 1"),
    "link outside": ("--hyp {outside}", "pair 2", "got 0-99"),
    "no such file": ("--hyp {short}.not", "short.not"),
    "no such layer": ("--layer 7", "layer from 1 to 2"),
    "stdin twice": ("--gold - --hyp -", "stdin can be read once only"),
    "replaces its input": ("--hyp {short} --out {short}", "expected another output"),
}
# All in one process; a message for each.
MISTAKEN = """
import json, sys
from aligner.cli.app import app
from aligner.errors import AlignerError
for arguments in json.loads(sys.argv[1]):
    try:
        app(["view", *arguments], standalone_mode=False)
    except AlignerError as error:
        print(json.dumps(str(error)))
    else:
        print('"nothing raised"')
"""


@pytest.fixture(scope="module")
def messages(
    trained: Trained, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("mistaken")
    (folder / "short").write_text("0-0\n")
    (folder / "outside").write_text("0-0\n0-99\n" + "\n" * (SENTENCES - 2))
    names = {name: str(folder / name) for name in ("short", "outside")}
    commands = []
    for options, *_ in MISTAKES.values():
        given = options.format(**names).split()
        out = [] if "--out" in given else ["--out", str(folder / "page.html")]
        commands.append([str(trained.model), *map(str, trained.text()), *given, *out])
    result = run(json.dumps(commands), program=MISTAKEN)
    assert result.code == 0, result.err
    assert sorted(path.name for path in folder.iterdir()) == ["outside", "short"]
    assert (folder / "short").read_text() == "0-0\n"
    return dict(zip(MISTAKES, map(json.loads, result.out.splitlines()), strict=True))


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes(messages: dict[str, str], mistake: str) -> None:
    for part in MISTAKES[mistake][1:]:
        assert part in messages[mistake]
    assert "\n" not in messages[mistake]


def test_a_mistake_writes_nothing(trained: Trained, run: Run, tmp_path: Path) -> None:
    out = tmp_path / "page.html"
    result = run("view", trained.model, *trained.text(), "--pairs", "99", "--out", out)
    result.assert_clean_failure("--pairs", "99")
    assert not list(tmp_path.iterdir())


def test_a_page_is_replaced_only_when_asked_to(
    trained: Trained, run: Run, tmp_path: Path
) -> None:
    out = tmp_path / "page.html"
    out.write_text("theirs")
    command = ["view", trained.model, *trained.text(), "--pairs", "1", "--out", out]
    run(*command).assert_clean_failure("a file is there already", "--overwrite")
    assert out.read_text() == "theirs"
    assert run(*command, "--overwrite").code == 0
    assert len(content(out)["pairs"]) == 1


def test_an_empty_text(trained: Trained, run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    options = ["--src", tmp_path / "empty", "--out", tmp_path / "page.html"]
    result = run("view", trained.model, *options)
    result.assert_clean_failure("empty: expected at least one sentence pair")


@pytest.mark.parametrize("options", [[], ["--precision", "float32"]], ids=str)
def test_the_links_are_those_of_align(
    trained: Trained,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
) -> None:
    """By default as well, on processors that are fast in bfloat16; of any choice."""
    monkeypatch.setattr(precision, "_has_bfloat16", lambda _: True)
    pairs = sample_corpus(160, seed=5)
    for side in ("src", "tgt"):
        lines = (" ".join(getattr(pair, side)) + "\n" for pair in pairs)
        (tmp_path / side).write_text("".join(lines), encoding="utf-8")
    text = ["--src", str(tmp_path / "src"), "--tgt", str(tmp_path / "tgt"), *options]

    def run(command: str, *more: str) -> list[list[list[int]]]:
        out = ["--out", str(tmp_path / command)]
        arguments = [command, str(trained.model), *text, *out, *more]
        app(arguments, standalone_mode=False)
        if command == "align":
            return [
                sorted(map(list, one)) for one in read_pharaoh(str(tmp_path / "align"))
            ]
        shown = content(tmp_path / command)["pairs"]
        return [[link[:2] for link in pair["links"]] for pair in shown]

    expected = run("align")
    assert run("view", "--random", "160") == expected
    chosen = [expected[i - 1] for i in (150, 3, 77)]
    assert run("view", "--pairs", "150,3,77", "--overwrite") == chosen

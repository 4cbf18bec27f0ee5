import gzip
import json
import re
import resource
import signal
import subprocess
import time
from pathlib import Path

import pytest
from conftest import SENTENCES, Outcome, Run, Trained, outcome, start

from aligner.links.formats import parse_pharaoh, read_pharaoh
from aligner.links.symmetrization import METHODS, symmetrize

# Several commands in one process, as loading the libraries takes most of the time.
MANY = """
import json, sys
from aligner.cli.app import app
model, src, tgt, out = sys.argv[1:5]
for name, options in json.loads(sys.argv[5]).items():
    text = ["--src", src, "--tgt", tgt, "--out", f"{out}/{name}"]
    options = options.format(out=out).split()
    app(["align", model, *text, *options], standalone_mode=False)
"""
VARIANTS = {
    "default": "",
    "forward": "--direction forward",
    "reverse": "--direction reverse",
    **{method: f"--symmetrize {method}" for method in METHODS},
    "soft": "--symmetrize soft --threshold 0",
    "matching": "--symmetrize soft --threshold 0 --one-to-one",
    "weight": "--score weight",
    "resln": "--score resln",
    "alti-l1": "--score alti-l1",
    "alti-l2": "--score alti-l2 --rows full --layer 1",
    "first": "--layer 1 --head 1 --rows awi",
    "last": "--layer 2 --head 2 --rows awo",
    "scores": "--scores",
    "precise": "--preset precise",
    "recall": "--preset recall",
    "full": "--rows full --layer 1",
    "exact": "--precision float32",
    "rough": "--precision bfloat16 --scores",
    "pairs": "--sentence-scores {out}/sentence-scores",
}


@pytest.fixture(scope="module")
def folder(
    trained: Trained, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Align the same text in all the ways above."""
    out = tmp_path_factory.mktemp("aligned")
    text = [trained.test_src, trained.test_tgt]
    result = run(trained.model, *text, out, json.dumps(VARIANTS), program=MANY)
    assert result.code == 0, result.err
    assert result.out == ""
    assert result.err.count(f"aligned {SENTENCES} of {SENTENCES} pairs") == len(
        VARIANTS
    )
    return out


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_line_of_links_for_each_pair(
    folder: Path, trained: Trained, variant: str
) -> None:
    alignments = read_pharaoh(folder / variant)
    src, tgt = (
        f.read_text().splitlines() for f in (trained.test_src, trained.test_tgt)
    )
    for s, t, links in zip(src, tgt, alignments, strict=True):
        assert all(i < len(s.split()) and j < len(t.split()) for i, j in links)
    assert any(alignments)
    for line in (folder / variant).read_text().splitlines():
        assert line == " ".join(sorted(line.split(), key=_link))


def _link(token: str) -> list[int]:
    return [int(index) for index in token.split(":")[0].split("-")]


@pytest.mark.parametrize("method", METHODS)
def test_symmetrization_joins_what_the_directions_give(
    folder: Path, method: str
) -> None:
    forward, reverse = (
        read_pharaoh(folder / "forward"),
        read_pharaoh(folder / "reverse"),
    )
    joined = [symmetrize(f, r, method) for f, r in zip(forward, reverse, strict=True)]
    assert read_pharaoh(folder / method) == joined


def test_presets_are_thresholds_that_the_model_chose(
    folder: Path, trained: Trained
) -> None:
    meta = json.loads((trained.model / "meta.json").read_text())
    thresholds = meta["alignment"]["thresholds"]
    assert thresholds["precise"] >= thresholds["balanced"] >= thresholds["recall"] > 0
    assert thresholds["precise"] > thresholds["recall"]
    precise, balanced, recall = (
        read_pharaoh(folder / name) for name in ("precise", "default", "recall")
    )
    for few, some, many in zip(precise, balanced, recall, strict=True):
        assert few <= some <= many
    assert sum(map(len, precise)) < sum(map(len, recall))


def test_default_links_score_above_the_threshold(
    folder: Path, trained: Trained
) -> None:
    meta = json.loads((trained.model / "meta.json").read_text())
    threshold = meta["alignment"]["thresholds"]["balanced"]
    tokens = (folder / "scores").read_text().split()
    assert tokens
    assert all(float(token.split(":")[1]) >= threshold - 1e-4 for token in tokens)


def test_a_score_for_each_pair(folder: Path) -> None:
    lines = (folder / "sentence-scores").read_text().splitlines()
    assert len(lines) == SENTENCES
    assert all(re.fullmatch(r"[01]\.\d{4}", line) for line in lines)
    assert (folder / "pairs").read_bytes() == (folder / "default").read_bytes()


def test_the_models_prior_scores_pairs(
    trained: Trained, run: Run, tmp_path: Path
) -> None:
    """As `aligner prior` does by the same, whatever counts for links."""
    text, scores = tmp_path / "text", [tmp_path / str(number) for number in range(3)]
    text.write_text("the king ||| der König\nder König ||| the king\nx ||| y\n")
    for options, path in zip(
        (
            ["align", trained.model],
            ["align", trained.model, "--prior-weight", "0", "--line-by-line"],
            ["prior", "--load", trained.model],
        ),
        scores,
        strict=True,
    ):
        options += ["--src", text, "--out", tmp_path / "out"]
        result = run(*options, "--sentence-scores", path)
        assert result.code == 0, result.err
    assert scores[0].read_text() == scores[1].read_text() == scores[2].read_text()


def test_a_pair_that_cannot_be_aligned_scores_nothing(
    trained: Trained, run: Run, tmp_path: Path
) -> None:
    text, out, scores = (tmp_path / name for name in ("text", "out", "scores"))
    text.write_text("the king ||| der König\n ||| leer\nthe king ||| der König\n")
    options = ["--out", out, "--sentence-scores", scores]
    result = run("align", trained.model, "--src", text, *options)
    assert result.code == 0, result.err
    first, empty, last = scores.read_text().splitlines()
    assert first == last > "0.0000"
    assert empty == "0.0000"
    assert len(out.read_text().splitlines()) == 3


def test_one_to_one(folder: Path) -> None:
    for links in read_pharaoh(folder / "matching"):
        assert len({i for i, _ in links}) == len({j for _, j in links}) == len(links)


def test_scores(folder: Path) -> None:
    scored = (folder / "scores").read_text().splitlines()
    plain = (folder / "default").read_text().splitlines()
    for with_scores, line in zip(scored, plain, strict=True):
        for token in with_scores.split():
            assert re.fullmatch(r"\d+-\d+:[01]\.\d{4}", token)
            assert 0 <= float(token.split(":")[1]) <= 1
        assert parse_pharaoh(with_scores) == parse_pharaoh(line)


@pytest.mark.parametrize("form", ["-", "|||", "tsv", "gzip"])
def test_forms_of_input(
    folder: Path, trained: Trained, run: Run, tmp_path: Path, form: str
) -> None:
    src, tgt = trained.test_src.read_bytes(), trained.test_tgt.read_bytes()
    joined = tmp_path / "joined"
    options: list[str | Path] = ["--src", joined]
    pairs = list(zip(src.splitlines(), tgt.splitlines(), strict=True))
    if form == "-":
        options = ["--src", "-", "--tgt", trained.test_tgt]
    elif form == "|||":
        joined.write_bytes(b"".join(b"%s ||| %s\n" % pair for pair in pairs))
    elif form == "tsv":
        joined.write_bytes(b"".join(b"%s\t%s\r\n" % pair for pair in pairs))
    else:
        joined.write_bytes(gzip.compress(src))
        options += ["--tgt", trained.test_tgt]
    result = run("align", trained.model, *options, stdin=src)
    assert result.code == 0, result.err
    assert result.out == (folder / "default").read_text()


@pytest.fixture(scope="module")
def hard(
    trained: Trained, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> Outcome:
    """Align lines that hold everything but ordinary sentences."""
    folder = tmp_path_factory.mktemp("hard")
    pairs = [
        ("a b", "c d"),
        ("", "c d"),
        ("a b", ""),
        ("", ""),
        ("word " * 100_000, "c d"),
        ("a b", "x" * 50_000),
        ("\x01 \x1b[31m \x7f", "\x0b \x0c\u2028\u0085"),
        ("a\u00a0b c", "\u3000"),
        ("\u2581 \u2585 <s> </s>", "<unk> <to_tgt> \U0001f600 \ufffd"),
    ]
    for number, side in enumerate(("src", "tgt")):
        text = "".join(pair[number] + "\n" for pair in pairs)
        (folder / side).write_bytes(text.encode())
    options = ["--src", folder / "src", "--tgt", folder / "tgt", "--max-length", "200"]
    return run("align", trained.model, *options, "--symmetrize", "union")


def test_n_lines_in_n_lines_out(hard: Outcome) -> None:
    assert hard.code == 0, hard.err
    lines = hard.out.split("\n")
    assert len(lines) == 10
    assert not any([*lines[1:6], lines[9]])


def test_pairs_that_cannot_be_aligned_are_listed_and_counted(hard: Outcome) -> None:
    assert hard.err.splitlines()[1:] == [
        "line 2: not aligned: the source side is empty",
        "line 3: not aligned: the target side is empty",
        "line 4: not aligned: the source side is empty",
        *(line for line in hard.err.splitlines() if "more than max_length 200" in line),
        "warning: 5 pairs could not be aligned: their lines are empty",
        "aligned 4 of 9 pairs",
    ]
    assert re.search(r"line 5: not aligned: the source side has \d{6} sub", hard.err)
    assert re.search(r"line 6: not aligned: the target side has \d+ sub", hard.err)


def test_words_are_what_stands_between_spaces(hard: Outcome) -> None:
    sizes = {7: (3, 2), 8: (2, 1), 9: (4, 4)}
    lines = hard.out.split("\n")
    for line, (src, tgt) in sizes.items():
        links = parse_pharaoh(lines[line - 1])
        assert all(i < src and j < tgt for i, j in links)


def test_empty_text_gives_no_lines(trained: Trained, run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    out = tmp_path / "out"
    text = ["--src", tmp_path / "empty", "--tgt", tmp_path / "empty", "--out", out]
    result = run("align", trained.model, *text)
    assert result.code == 0, result.err
    assert "aligned 0 of 0 pairs" in result.err
    assert out.read_bytes() == b""


def test_tokenized_words_are_written_beside(
    trained: Trained, run: Run, tmp_path: Path
) -> None:
    (tmp_path / "src").write_text("\nMr. Smith's house, isn't it?\n")
    (tmp_path / "tgt").write_text('\nDas "Haus"\u2028(gut).\n', encoding="utf-8")
    out = tmp_path / "new" / "out"
    text = ["--src", tmp_path / "src", "--tgt", tmp_path / "tgt", "--out", out]
    result = run("align", trained.model, *text, "--tokenize", "en", "de")
    assert result.code == 0, result.err
    src, tgt, links = (
        Path(f"{out}{end}").read_text(encoding="utf-8").split("\n")
        for end in (".src", ".tgt", "")
    )
    assert src == ["", "Mr. Smith 's house , isn 't it ?", ""]
    assert tgt == ["", 'Das " Haus " ( gut ) .', ""]
    assert len(links) == 3
    assert links[0] == ""
    assert len(list(out.parent.iterdir())) == 3


def test_failure_in_the_middle_leaves_what_was_there(
    trained: Trained, run: Run, tmp_path: Path
) -> None:
    src = tmp_path / "src"
    src.write_bytes(trained.test_src.read_bytes() + b"b\xe4d\n")
    out = tmp_path / "out"
    out.write_text("precious")
    options = ["--src", src, "--tgt", trained.test_tgt, "--out", out]
    run("align", trained.model, *options).assert_clean_failure("0xe4")
    assert out.read_text() == "precious"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "src"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk(trained: Trained, run: Run, tmp_path: Path) -> None:
    result = run("align", trained.model, *trained.text(), "--out", "/dev/full")
    result.assert_clean_failure("/dev/full: No space left on device")
    assert Path("/dev/full").is_char_device(), "replaced by a file"

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    out = tmp_path / "out"
    options = [*trained.text(), "--out", out, "--tokenize", "en", "de"]
    command = ["align", trained.model, *options]
    result = outcome(start(command, preexec_fn=limit_files))
    result.assert_clean_failure(str(out), "File too large")
    assert not list(tmp_path.iterdir())


def test_ctrl_c(trained: Trained, tmp_path: Path) -> None:
    # The source never ends: the command waits for more of it, with its file open.
    out = tmp_path / "out"
    options = ["--src", "-", "--tgt", trained.test_tgt, "--out", out]
    process = start(["align", trained.model, *options], stdin=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    code = process.wait(timeout=60)
    result = outcome(process)
    assert code == 130, result.err
    assert result.err.splitlines()[-1] == "aligner: interrupted"
    assert "Traceback" not in result.err
    assert not list(tmp_path.iterdir())


def test_the_first_links_come_while_more_text_is_awaited(trained: Trained) -> None:
    process = start(
        ["align", trained.model, "--src", "-"], stdin=subprocess.PIPE, bufsize=0
    )
    assert process.stdin
    assert process.stdout
    process.stdin.write(b"the king ||| der K\xc3\xb6nig\n" * 130)
    assert all(b"-" in process.stdout.readline() for _ in range(128))
    process.stdin.close()
    process.stdin = None
    rest = outcome(process)
    assert rest.out.count("\n") == 2
    assert rest.err.endswith("aligned 130 of 130 pairs\n")


def test_who_reads_the_output_may_leave(trained: Trained, tmp_path: Path) -> None:
    for side, path in (("src", trained.test_src), ("tgt", trained.test_tgt)):
        (tmp_path / side).write_bytes(path.read_bytes() * 400)
    text = ["--src", tmp_path / "src", "--tgt", tmp_path / "tgt"]
    process = start(["align", trained.model, *text])
    assert process.stdout
    assert process.stdout.readline()
    process.stdout.close()
    assert process.stderr
    assert "Traceback" not in process.stderr.read().decode()
    process.stderr.close()
    assert process.wait(timeout=60) == 1

"""The prior alone, from the command line: lines in, lines out, links that are right."""

import json
from pathlib import Path

import pytest
from conftest import Run, Trained, outcome, start
from small_encoders import save_encoder

from aligner.links.evaluation import score
from aligner.links.formats import parse_pharaoh
from aligner.sample.grammar import sample_corpus


def test_every_line_is_answered_and_links_are_right(run: Run, tmp_path: Path) -> None:
    pairs = sample_corpus(600)
    lines = [f"{' '.join(pair.src)} ||| {' '.join(pair.tgt)}" for pair in pairs]
    lines[5] = " ||| leer"
    lines[7] = " ".join(["long"] * 300) + " ||| lang"
    text = tmp_path / "both"
    text.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    out = tmp_path / "prior.align"
    result = outcome(start(["prior", "--src", text, "--out", out, "--scores"]))
    assert result.code == 0, result.err
    assert result.err.splitlines()[:2] == [
        "line 6: not aligned: the source side is empty",
        "line 8: not aligned: the source side has 300 words, more than --max-words 200",
    ]
    assert "warning: 2 pairs could not be aligned" in result.err
    answers = out.read_text(encoding="utf-8").splitlines()
    assert len(answers) == len(lines)
    assert answers[5] == answers[7] == ""
    aligned = [i for i in range(len(pairs)) if i not in (5, 7)]
    links = [parse_pharaoh(answers[i]) for i in aligned]
    assert score([pairs[i].gold for i in aligned], links).aer < 0.15
    # What was chosen is said, and gives the same when it is asked for.
    (said,) = (line for line in result.err.splitlines() if "threshold: " in line)
    threshold = said.removeprefix("threshold: ")
    assert 0 < float(threshold) < 1
    again = run("prior", "--src", text, "--threshold", threshold, "--scores")
    assert again.code == 0, again.err
    assert again.out == out.read_text(encoding="utf-8")


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_text_without_a_pair_is_an_error(
    run: Run, tmp_path: Path, content: str
) -> None:
    src, tgt = tmp_path / "src", tmp_path / "tgt"
    src.write_text(content, encoding="utf-8")
    tgt.write_text(content, encoding="utf-8")
    out = tmp_path / "out"
    result = run("prior", "--src", src, "--tgt", tgt, "--out", out)
    result.assert_clean_failure("no usable sentence pairs")
    assert not out.exists()


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text with an empty side in its third line."""
    lines = [
        f"{' '.join(pair.src)} ||| {' '.join(pair.tgt)}" for pair in sample_corpus(200)
    ]
    lines[2] = " ||| leer"
    path = tmp_path_factory.mktemp("text") / "both"
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def learnt(run: Run, text: Path) -> tuple[Path, list[str], list[str]]:
    """What was kept of a text, its scored links, and its sentence scores."""
    folder = text.parent / "kept"
    fits = text.parent / "fits"
    result = run(
        "prior", "--src", text, "--save", folder, "--scores", "--sentence-scores", fits
    )
    assert result.code == 0, result.err
    return folder, result.out.splitlines(), fits.read_text().splitlines()


def scored(line: str) -> dict[str, float]:
    return {
        link: float(score)
        for link, _, score in (part.partition(":") for part in line.split())
    }


def test_what_was_kept_aligns_the_same(
    run: Run, text: Path, tmp_path: Path, learnt: tuple[Path, list[str], list[str]]
) -> None:
    """Links and scores, but for word pairs that hardly ever count and are not kept."""
    folder, lines, fits = learnt
    again = run(
        "prior", "--src", text, "--load", folder, "--scores",
        "--sentence-scores", tmp_path / "fits",
    )  # fmt: skip
    assert again.code == 0, again.err
    found = again.out.splitlines()
    assert len(found) == len(lines) == 200
    assert found[2] == lines[2] == ""
    for one, other in zip(map(scored, found), map(scored, lines), strict=True):
        common = one.keys() & other.keys()
        assert len(common) >= 0.9 * max(len(one), len(other))
        assert {link: one[link] for link in common} == pytest.approx(
            {link: other[link] for link in common}, abs=0.05
        )
    again_fits = [float(line) for line in (tmp_path / "fits").read_text().splitlines()]
    assert again_fits == pytest.approx([float(line) for line in fits], abs=0.05)
    assert again_fits[2] == 0
    assert min(fit for i, fit in enumerate(again_fits) if i != 2) > 0


def test_junk_scores_low_in_every_format(
    run: Run, tmp_path: Path, learnt: tuple[Path, list[str], list[str]]
) -> None:
    """A translation, then its sides swapped, one of them twice, unknown words."""
    pair = sample_corpus(201)[-1]
    src, tgt = " ".join(pair.src), " ".join(pair.tgt)
    lines = [(src, tgt), (tgt, src), (src, src), ("qzx vbn", "pfk mm")]
    new, scores = tmp_path / "new", tmp_path / "scores"
    new.write_text("".join(f"{s} ||| {t}\n" for s, t in lines), encoding="utf-8")
    options = ["--src", new, "--load", learnt[0], "--format", "jsonl"]
    result = run("prior", *options, "--sentence-scores", scores)
    assert result.code == 0, result.err
    found = [float(line) for line in scores.read_text().splitlines()]
    assert found[0] > 0.5
    assert max(found[1:]) < 0.5
    assert [json.loads(line)["score"] for line in result.out.splitlines()] == found


def test_shares_follow_one_another(
    run: Run, text: Path, tmp_path: Path, learnt: tuple[Path, list[str], list[str]]
) -> None:
    whole = run("prior", "--src", text, "--load", learnt[0])
    for share in ("1/2", "2/2"):
        out = tmp_path / "links"
        result = run(
            "prior", "--src", text, "--load", learnt[0], "--out", out, "--shard", share
        )
        assert result.code == 0, result.err
    parts = [(tmp_path / f"links.{i}").read_text(encoding="utf-8") for i in (1, 2)]
    assert all(parts)
    assert "".join(parts) == whole.out


def test_presets_ask_for_more_or_less(
    run: Run, text: Path, learnt: tuple[Path, list[str], list[str]]
) -> None:
    counts = []
    for preset in ("precise", "balanced", "recall"):
        found = run("prior", "--src", text, "--load", learnt[0], "--preset", preset)
        counts.append(len(found.out.split()))
    assert counts[0] < counts[1] < counts[2]


def test_the_prior_of_a_model_aligns(run: Run, text: Path, trained: Trained) -> None:
    result = run("prior", "--src", text, "--load", trained.model)
    assert result.code == 0, result.err
    assert len(result.out.splitlines()) == 200


def test_what_does_not_go_together_is_refused(
    run: Run, text: Path, trained: Trained, tmp_path: Path
) -> None:
    for expected, options in (
        ("--shard: expected --load", ["--shard", "1/2"]),
        ("--save: expected no --load", ["--save", tmp_path, "--load", tmp_path]),
        (
            "--dictionary: expected no --load",
            ["--dictionary", text, "--load", tmp_path],
        ),
        (f"{text}, line 1: expected one tab", ["--dictionary", text]),
        (
            "--threshold: expected no --preset",
            ["--threshold", ".5", "--preset", "recall"],
        ),
        ("expected a prior, but prior.safetensors is missing", ["--load", tmp_path]),
        ("expected no model there, got one", ["--save", trained.model]),
    ):
        run("prior", "--src", text, *options).assert_clean_failure(expected)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_encoder("bert", tmp_path_factory.mktemp("encoder"))


def test_an_encoder_beside_the_prior(
    run: Run, text: Path, encoder: Path, tmp_path: Path
) -> None:
    kept = tmp_path / "kept"
    options = ["--src", text, "--encoder", encoder, "--scores"]
    learnt = run("prior", *options, "--save", kept)
    assert learnt.code == 0, learnt.err
    assert "encoder: layer " in learnt.err
    assert "199 in " in learnt.err
    lines = learnt.out.splitlines()
    assert len(lines) == 200
    assert lines[2] == ""
    alone = run("prior", "--src", text, "--scores")
    assert alone.out != learnt.out
    again = run("prior", "--load", kept, *options)
    assert again.code == 0, again.err
    # The same, but for word pairs that hardly ever count and are not kept.
    links, kept_links = (
        {(i, link) for i, line in enumerate(some) for link in scored(line)}
        for some in (lines, again.out.split("\n")[:-1])
    )
    assert len(links & kept_links) > 0.95 * len(links | kept_links)
    # The prior is all there without it.
    without = run("prior", "--load", kept, "--src", text)
    assert without.code == 0, without.err
    # Nor is it asked any more where another prior is kept without it.
    assert run("prior", "--src", text, "--save", kept).code == 0
    by_text = run("prior", "--load", kept, *options)
    assert by_text.code == 0, by_text.err
    assert "encoder: layer " in by_text.err


def test_beside_a_prior_learnt_without_one_an_encoder_is_chosen_by_the_text(
    run: Run,
    text: Path,
    encoder: Path,
    learnt: tuple[Path, list[str], list[str]],
    tmp_path: Path,
) -> None:
    options = ["prior", "--load", learnt[0], "--encoder", encoder, "--src"]
    result = run(*options, text)
    assert result.code == 0, result.err
    assert "encoder: layer " in result.err
    assert len(result.out.splitlines()) == len(text.read_text().splitlines())
    # What is read once can not be looked at first.
    run(*options, "-", stdin=text.read_bytes()).assert_clean_failure(
        str(learnt[0]), "text in files to choose by, but encoder.safetensors is missing"
    )
    # Nor what has no words, though it may stand before what has.
    blank = tmp_path / "blank"
    blank.write_text("\n" * 250 + text.read_text())
    after = run(*options, blank)
    assert after.code == 0, after.err
    assert len(after.out.splitlines()) == 250 + len(text.read_text().splitlines())
    other = run("prior", "--src", text, "--encoder", text.parent / "nowhere")
    other.assert_clean_failure("nowhere: expected the config.json of an encoder")

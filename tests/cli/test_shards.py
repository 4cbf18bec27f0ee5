"""Shares of a text: together they are what one process writes, byte for byte."""

from pathlib import Path

import pytest
from conftest import SENTENCES, Run, Trained

from aligner.cli.outputs import numbered_path
from aligner.cli.shards import ReadingPlace, Shard, chunks_of_shard, parse_shard
from aligner.errors import ConfigError
from aligner.extraction import pair_aligner

# The command line with chunks of few pairs.
SMALL_CHUNKS = """
from aligner.cli import main
from aligner.extraction import pair_aligner
pair_aligner.CHUNK_PAIRS = 3
main()
"""
TEXT = [(["a"] * (1 + i % 4), ["b"]) for i in range(23)]


@pytest.mark.parametrize("of", [1, 2, 3, 5, 30])
def test_shards_are_all_chunks_in_order_and_once(
    monkeypatch: pytest.MonkeyPatch, of: int
) -> None:
    monkeypatch.setattr(pair_aligner, "CHUNK_PAIRS", 4)
    whole = list(chunks_of_shard(lambda: TEXT, None))
    assert [len(chunk.pairs) for chunk in whole] == [4, 4, 4, 4, 4, 3]
    shards = [
        list(chunks_of_shard(lambda: TEXT, Shard(index, of)))
        for index in range(1, of + 1)
    ]
    assert [chunk for shard in shards for chunk in shard] == whole
    sizes = [len(shard) for shard in shards]
    assert max(sizes) - min(sizes) <= 1
    for first_line, pairs in whole:
        assert TEXT[first_line - 1 : first_line - 1 + len(pairs)] == pairs


def test_shards_are_of_like_size_though_the_first_chunks_are_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pair_aligner, "FIRST_CHUNK_PAIRS", 1)
    monkeypatch.setattr(pair_aligner, "CHUNK_PAIRS", 4)
    pairs = [(["a"], ["b"])] * 100
    whole = list(chunks_of_shard(lambda: pairs, None))
    assert [len(chunk.pairs) for chunk in whole][:4] == [1, 2, 4, 4]
    shards = [list(chunks_of_shard(lambda: pairs, Shard(i, 3))) for i in (1, 2, 3)]
    assert [chunk for shard in shards for chunk in shard] == whole
    for shard in shards:
        assert abs(sum(len(chunk.pairs) for chunk in shard) - 100 / 3) <= 4


def test_what_share_of_a_shard_has_been_read(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("x" * 100)
    found = []
    for shard in (None, Shard(1, 4), Shard(2, 4)):
        place = ReadingPlace(str(text), shard)
        for position in (0, 10, 40, 100):
            place.note(position)
            found.append(place.share())
    of_all, of_first, of_second = found[:4], found[4:8], found[8:]
    assert of_all == pytest.approx([0, 0.1, 0.4, 1])
    assert of_first == pytest.approx([0, 0.4, 1, 1])
    assert of_second == pytest.approx([0, 0, 0.6, 1])


@pytest.mark.parametrize("name", ["-", "missing"])
def test_of_what_is_no_file_nobody_knows_the_share(tmp_path: Path, name: str) -> None:
    place = ReadingPlace(name if name == "-" else str(tmp_path / name), None)
    place.note(5)
    assert place.share() == 0


def test_shards_one_after_the_other_are_what_one_process_writes(
    trained: Trained, run: Run, tmp_path: Path
) -> None:
    text = tmp_path / "text"
    src, tgt = (
        f.read_text().splitlines() for f in (trained.test_src, trained.test_tgt)
    )
    lines = [f"{s} ||| {t}" for s, t in zip(src, tgt, strict=True)]
    lines[7] = " ||| leer"
    text.write_text("".join(f"{line}\n" for line in lines))
    command = ["align", trained.model, "--src", text, "--scores"]
    whole = run(*command, program=SMALL_CHUNKS)
    assert whole.code == 0, whole.err
    assert len(whole.out.splitlines()) == SENTENCES
    parts = [
        run(*command, "--shard", f"{index}/3", program=SMALL_CHUNKS)
        for index in (1, 2, 3)
    ]
    assert "".join(part.out for part in parts) == whole.out
    assert all(part.out for part in parts)
    for index, part in enumerate(parts, start=1):
        assert part.err.endswith(f" pairs in share {index} of 3\n")
    # Problems are named by their line in the whole text.
    assert "line 8: not aligned: the source side is empty" in "".join(
        part.err for part in parts
    )


def test_the_names_of_shares_sort_as_they_follow(
    trained: Trained, run: Run, tmp_path: Path
) -> None:
    text = ["align", trained.model, *trained.text(), "--tokenize", "en", "de"]
    outputs = ["--out", tmp_path / "x.gz", "--sentence-scores", tmp_path / "scores"]
    result = run(*text, *outputs, "--shard", "2/10")
    assert result.code == 0, result.err
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"x.02.gz", "x.src.02.gz", "x.tgt.02.gz", "scores.02"}
    shares = [numbered_path(Path("x"), Shard(i, 12)).name for i in range(1, 13)]
    assert shares == sorted(shares)
    assert numbered_path(Path("x.align"), Shard(3, 8)) == Path("x.align.3")


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "a/b", "1/2/3", "-1/2", ""])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(ConfigError, match="--shard: expected I/N"):
        parse_shard(text)


def test_a_stream_cannot_be_read_twice(trained: Trained, run: Run) -> None:
    result = run(
        "align", trained.model, "--src", "-", "--shard", "1/2", stdin=b"a ||| b"
    )
    result.assert_clean_failure("a share of a text: expected it in files")

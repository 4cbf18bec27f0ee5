"""Shares of a text: together they are what one process writes, byte for byte."""

from pathlib import Path

import pytest
from conftest import SENTENCES, Run, Trained

from aligner.cli.shards import Shard, chunks_of_shard, parse_shard
from aligner.errors import ConfigError
from aligner.extraction import aligner as aligner_module

# The command line with chunks of few pairs.
SMALL_CHUNKS = """
from aligner.cli import main
from aligner.extraction import aligner
aligner.CHUNK_PAIRS = 3
main()
"""
TEXT = [(["a"] * (1 + i % 4), ["b"]) for i in range(23)]


@pytest.mark.parametrize("of", [1, 2, 3, 5, 30])
def test_shards_are_all_chunks_in_order_and_once(
    monkeypatch: pytest.MonkeyPatch, of: int
) -> None:
    monkeypatch.setattr(aligner_module, "CHUNK_PAIRS", 4)
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
    # Problems are named by their line in the whole text.
    assert "line 8: not aligned: the source side is empty" in "".join(
        part.err for part in parts
    )


@pytest.mark.parametrize("text", ["0/3", "4/3", "1", "1/0", "a/b", "1/2/3", "-1/2", ""])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(ConfigError, match="--shard: expected I/N"):
        parse_shard(text)


def test_a_stream_cannot_be_read_twice(trained: Trained, run: Run) -> None:
    result = run(
        "align", trained.model, "--src", "-", "--shard", "1/2", stdin=b"a ||| b"
    )
    result.assert_clean_failure("a share of a text: expected it in files")

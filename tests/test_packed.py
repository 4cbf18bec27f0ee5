"""Compressed files: what was written comes back, and is what its name says."""

import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from conftest import Run

from aligner.cli.outputs import open_files, output_paths
from aligner.errors import CorpusError, LinkFormatError
from aligner.links.formats import read_pharaoh
from aligner.packed import decompressed, open_to_write
from aligner.text.bitext import read_lines

TEXT = "0-0 1-1\n\n2-1 é\n" * 1000
UNPACKED: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
    ".zst": lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data),
}


@pytest.mark.parametrize("suffix", UNPACKED)
def test_a_file_is_compressed_as_its_name_says(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"links{suffix}"
    with open_files([path]) as (file,):
        file.write(TEXT)
    data = path.read_bytes()
    assert UNPACKED[suffix](data).decode() == TEXT
    with path.open("rb") as packed:
        assert b"".join(decompressed(packed)).decode() == TEXT


@pytest.mark.parametrize("suffix", UNPACKED)
def test_the_same_text_makes_the_same_file(tmp_path: Path, suffix: str) -> None:
    paths = [tmp_path / "one", tmp_path / "another"]
    for path, time in zip(paths, (1, 10**9), strict=True):
        with open_to_write(path, Path(f"x{suffix}")) as file:
            file.write(TEXT)
        os.utime(path, (time, time))
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("suffix", UNPACKED)
def test_nothing_is_left_of_a_file_that_was_not_finished(
    tmp_path: Path, suffix: str
) -> None:
    def write() -> None:
        with open_files([tmp_path / f"links{suffix}"]) as (file,):
            file.write(TEXT)
            raise RuntimeError("half")

    with pytest.raises(RuntimeError, match="half"):
        write()
    assert list(tmp_path.iterdir()) == []


def test_the_words_are_compressed_like_the_links() -> None:
    names = [str(path) for path in output_paths(Path("a/x.align.gz"), with_words=True)]
    assert names == ["a/x.align.gz", "a/x.align.src.gz", "a/x.align.tgt.gz"]
    names = [str(path) for path in output_paths(Path("a/x"), with_words=True)]
    assert names == ["a/x", "a/x.src", "a/x.tgt"]


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_links_are_read_as_they_were_written(
    run: Run, tmp_path: Path, suffix: str
) -> None:
    text = tmp_path / "text"
    text.write_text("a b ||| x y\nb a ||| y x\n" * 20)
    out = tmp_path / f"links{suffix}"
    assert run("prior", "--src", text, "--out", out).code == 0
    assert len(read_pharaoh(out)) == 40
    scored = run("evaluate", "--gold", out, "--hyp", out)
    assert scored.code == 0, scored.err
    assert "0.0 (0.0-0.0)" in scored.out
    out.write_bytes(out.read_bytes()[:-3])
    run("evaluate", "--gold", out, "--hyp", out).assert_clean_failure("truncated")


def archive(name: str) -> bytes:
    """Return an archive that holds one file of text."""
    data = io.BytesIO()
    if name == "zip":
        with zipfile.ZipFile(data, "w") as packed:
            packed.writestr("text", TEXT)
    else:
        with tarfile.open(fileobj=data, mode="w" if name == "tar" else "w:gz") as tar:
            entry = tarfile.TarInfo("text")
            entry.size = len(TEXT.encode())
            tar.addfile(entry, io.BytesIO(TEXT.encode()))
    return data.getvalue()


@pytest.mark.parametrize("name", ["zip", "tar", "tar.gz"])
def test_an_archive_is_named_and_what_to_do(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(archive(name))
    kind = name.partition(".")[0]
    with pytest.raises(CorpusError, match="x: cannot read it: ") as caught:
        list(read_lines(path))
    advice = {"zip": "unzip -p FILE", "tar": "tar -xOf FILE"}[kind]
    message = f"it is a {kind} archive: expected a file, such as <({advice})"
    assert str(caught.value).endswith(message)
    with pytest.raises(LinkFormatError, match=f"it is a {kind} archive: expected"):
        read_pharaoh(path)


@pytest.mark.parametrize("text", ["BZh9 is a word\n", "PK\n", "B\n", "7z\n", "R"])
def test_text_that_begins_like_a_packed_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "x").write_text(text)
    assert list(read_lines(tmp_path / "x")) == [text.rstrip("\n")]

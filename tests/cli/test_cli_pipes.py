"""Every input of every command may be a pipe; it is read once, front to back."""

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import SENTENCES, Run, Trained, start
from small_encoders import save_encoder

Piped = Callable[[Path], Path]


@pytest.fixture
def piped(tmp_path: Path) -> Iterator[Piped]:
    """Return a named pipe that passes a file on, once."""
    writers = []

    def make(path: Path) -> Path:
        pipe = tmp_path / f"pipe-{len(writers)}-{path.name}"
        os.mkfifo(pipe)
        command = ["sh", "-c", 'cat "$0" > "$1"', str(path), str(pipe)]
        writers.append(subprocess.Popen(command))
        return pipe

    yield make
    for writer in writers:
        writer.kill()
        writer.wait()


@pytest.fixture(scope="module")
def links(trained: Trained, run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return links of the test text."""
    path = tmp_path_factory.mktemp("links") / "links"
    assert run("align", trained.model, *trained.text(), "--out", path).code == 0
    return path


def test_align(trained: Trained, run: Run, piped: Piped, links: Path) -> None:
    text = ["--src", piped(trained.test_src), "--tgt", piped(trained.test_tgt)]
    result = run("align", trained.model, *text)
    assert result.code == 0, result.err
    assert result.out == links.read_text()


def test_prior(trained: Trained, run: Run, piped: Piped) -> None:
    text = ["--src", piped(trained.test_src), "--tgt", piped(trained.test_tgt)]
    result = run("prior", *text, "--out", "-")
    assert result.code == 0, result.err
    assert result.out == run("prior", *trained.text()).out
    assert not Path("-").exists()


def test_evaluate(trained: Trained, run: Run, piped: Piped, links: Path) -> None:
    result = run(
        *("evaluate", "--gold", piped(links), "--hyp", piped(links)),
        *("--src", piped(trained.test_src), "--tgt", piped(trained.test_tgt)),
    )
    assert result.code == 0, result.err
    assert "\t0.0 (0.0-0.0)\t" in result.out


def test_train(trained: Trained, run: Run, piped: Piped, tmp_path: Path) -> None:
    """And go on with what was piped, once it is piped again, by another name."""

    def texts() -> list[str | Path]:
        return [
            *("--src", piped(trained.src), "--tgt", piped(trained.tgt)),
            *("--valid-src", piped(trained.test_src)),
            *("--valid-tgt", piped(trained.test_tgt)),
        ]

    empty = tmp_path / "guide"
    empty.write_text("0-0\n" * 200)
    command = ["train", *texts(), "--out", tmp_path / "model"]
    result = run(*command, "--guide", piped(empty), "--config", piped(trained.recipe))
    assert result.code == 0, result.err
    again = ["train", *texts(), "--guide", piped(empty), "--out", tmp_path / "model"]
    result = run(*again, "--resume")
    assert result.code == 0, result.err


@pytest.mark.parametrize("out", ["page.html", "-"])
def test_view(
    trained: Trained, run: Run, piped: Piped, links: Path, tmp_path: Path, out: str
) -> None:
    result = run(
        *("view", trained.model, "--gold", piped(links), "--hyp", piped(links)),
        *("--src", piped(trained.test_src), "--tgt", piped(trained.test_tgt)),
        *("--out", out),
        cwd=tmp_path,
    )
    assert result.code == 0, result.err
    page = result.out if out == "-" else (tmp_path / out).read_text()
    assert page.startswith("<!doctype html>")
    assert not (tmp_path / "-").exists()


def test_analyze_nmt(
    trained: Trained, run: Run, piped: Piped, links: Path, tmp_path: Path
) -> None:
    result = run(
        *("analyze", "nmt", trained.model, "--gold", piped(links)),
        *("--src", piped(trained.test_src), "--tgt", piped(trained.test_tgt)),
        *("--frequency-text", piped(trained.src), "--out", tmp_path / "report"),
    )
    assert result.code == 0, result.err


def test_analyze_bert(trained: Trained, run: Run, piped: Piped, tmp_path: Path) -> None:
    save_encoder("bert", tmp_path / "encoder")
    result = run(
        *("analyze", "bert", tmp_path / "encoder", "--text", piped(trained.test_src)),
        *("--frequency-text", piped(trained.src), "--out", tmp_path / "report"),
    )
    assert result.code == 0, result.err


def test_what_has_to_be_read_twice_is_said_to(
    trained: Trained, run: Run, piped: Piped, tmp_path: Path
) -> None:
    text = ["--src", piped(trained.test_src), "--tgt", trained.test_tgt]
    shard = run("align", trained.model, *text, "--shard", "1/2")
    shard.assert_clean_failure("expected it in files, to be read twice")
    seeds = run("train", *text, "--seeds", "2", "--out", tmp_path / "seeds")
    seeds.assert_clean_failure("--seeds: expected files, to be read for each seed, got")


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_one_pipe_by_two_names_is_refused(
    trained: Trained, run: Run, name: str
) -> None:
    text = ["--src", "-", "--tgt", name]
    result = run("align", trained.model, *text, stdin=b"a\n")
    result.assert_clean_failure(f"{name}: ", "can be read once only")


def test_stdout_is_named_by_a_dash_where_it_can_be(
    trained: Trained, run: Run, tmp_path: Path, links: Path
) -> None:
    command = ["align", trained.model, *trained.text()]
    scores = ["--sentence-scores", "-"]
    both = run(*command, *scores)
    both.assert_clean_failure("--sentence-scores -: expected --out")
    apart = run(*command, *scores, "--out", tmp_path / "out", cwd=tmp_path)
    assert apart.code == 0, apart.err
    assert (tmp_path / "out").read_text() == links.read_text()
    assert len(apart.out.splitlines()) == SENTENCES
    assert all(0 <= float(line) <= 1 for line in apart.out.splitlines())
    cut = run(*command, "--tokenize", "en", "de", "--out", "-")
    cut.assert_clean_failure("raw text: expected --out")
    for command in (["train", *trained.text()], ["demo"]):
        result = run(*command, "--out", "-", cwd=tmp_path)
        result.assert_clean_failure("-: expected a directory to write to, got stdout")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_program_that_waits_is_answered_line_by_line(trained: Trained) -> None:
    from aligner.extraction.aligner import Aligner
    from aligner.links.formats import format_pharaoh

    lines = zip(
        trained.test_src.read_text().splitlines(),
        trained.test_tgt.read_text().splitlines(),
        strict=True,
    )
    process = start(
        ["align", trained.model, "--src", "-", "--line-by-line"],
        stdin=subprocess.PIPE,
        bufsize=0,
    )
    assert process.stdin
    assert process.stdout
    # Who is not answered would wait for ever.
    watch = threading.Timer(60, process.kill)
    watch.start()
    alone = Aligner.load(trained.model, precision="auto")
    for src, tgt in [("", ""), *lines]:
        process.stdin.write(f"{src} ||| {tgt}\n".encode() if src else b"\n")
        answer = process.stdout.readline().decode()
        (pair,) = alone.align([(src.split(), tgt.split())])
        assert answer == format_pharaoh(pair.links) + "\n"
    process.stdin.close()
    process.stdin = None
    process.communicate()
    watch.cancel()
    assert process.returncode == 0

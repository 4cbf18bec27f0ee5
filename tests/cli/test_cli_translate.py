import subprocess

from conftest import Run, Trained, outcome, start


def test_n_lines_in_n_lines_out(trained: Trained, run: Run) -> None:
    lines = trained.test_src.read_text().splitlines()[:3]
    long = "word " * 1000
    text = "\n".join([*lines, "", long, "\x0b \u2028x\u0085", "x" * 50_000, "no end"])
    result = run("translate", trained.model, "--beam", "2", stdin=text.encode())
    assert result.code == 0, result.err
    translated = result.out.split("\n")
    assert len(translated) == 9
    assert translated[-1] == ""
    assert translated[3] == translated[4] == translated[6] == ""
    assert "line 5: not translated: it has" in result.err
    assert "line 7: not translated: it has" in result.err


def test_into_source_by_greedy_search(trained: Trained) -> None:
    command = ["translate", trained.model, "--into", "src", "--beam", "1"]
    process = start(command, stdin=subprocess.PIPE)
    result = outcome(process, trained.test_tgt.read_bytes())
    assert result.code == 0, result.err
    assert len(result.out.splitlines()) == 12

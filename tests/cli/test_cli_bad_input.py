"""What bad input gets: one clear line, exit code 2, and nothing half-written."""

import gzip
import os
import shutil
from pathlib import Path

import pytest
import torch
from conftest import Outcome, Run, Trained
from safetensors.torch import load_file, save_file

FILES = {
    "empty": b"",
    "blank": b"\n\n\n",
    "one": b"a b c\n",
    "two": b"a b\nc\n",
    "binary": bytes(range(256)),
    "latin1": b"good\nb\xe4d\n",
    "bars": b"a ||| b\na ||| b ||| c\n",
    "columns": b"a\tb\nx\ty\tz\n",
    "neither": b"a b c\n",
    "cut.gz": gzip.compress(b"a b c\n" * 100)[:-9],
    "links": b"0-0 1-1\n",
    "half": b"0-0\n3-\n",
    "far": b"1-1\n0-0 1-0\n",
    "entries": b"a\tb\na b c\n",
    "gaps": b"a b\n\nc d\n",
    "gaps.links": b"0-0\n5-5\n0-1 1-2\n",
    "letters": b"a-b\n",
    "negative": b"-1-2\n",
    "huge": b"0-99999999999999999999\n",
    "long.naacl": b"1 1 1 S\n7 1 1 S\n",
    "zero.naacl": b"1 0 1 S\n",
    "key.toml": b"[transformer]\nhaeds = 4\n",
    "section.toml": b"[trainning]\nseed = 4\n",
    "type.toml": b"[training]\nseed = 'one'\n",
    "heads.toml": b"[transformer]\ndim = 32\nheads = 3\n",
    "range.toml": b"[training]\nlearning_rate = -1.0\n",
    "broken.toml": b"[training\n",
    "binary.toml": b"\xff\xfe\x00",
}
# Options, and the words that the message must hold. TEXT: of all that read text.
TEXT = [
    ("--src none --tgt one", "none: cannot read it: no such file"),
    ("--src one --tgt none", "none: cannot read it: no such file"),
    ("--src folder --tgt one", "folder: cannot read it: is a directory"),
    ("--src binary --tgt one", "binary, line 1: NUL byte at byte 0 binary file"),
    ("--src latin1 --tgt two", "latin1, line 2: UTF-8 0xe4 at byte 6"),
    ("--src cut.gz --tgt one", "cut.gz: truncated gzip data"),
    ("--src one --tgt two", "1 in one and 2 in two: one ends before line 2"),
    ("--src bars", "bars, line 2: expected one ||| got 2 two files or tabs avoid"),
    ("--src columns", "columns, line 2: expected two columns, got 3"),
    ("--src neither", "neither, line 1: ||| or a tab"),
    ("--src - --tgt -", "-"),
    ("--src one --tgt one --tokenize en english", "language: auto got 'english'"),
    ("--src one --tgt one --tokenize zh: ja:x", "language: auto got 'ja:x'"),
    ("--src one --tgt one --device tpu", "--device tpu"),
]
GUIDED = "--src two --tgt two --valid-src two --valid-tgt two"  # nothing held out
TRAIN = [
    *TEXT,
    ("--src empty --tgt empty", "empty: at least 2 usable sentence pairs, got 0"),
    ("--src blank --tgt blank", "blank: at least 2 usable sentence pairs, got 0"),
    ("--src two --tgt two --valid-src blank --valid-tgt blank", "blank: no usable"),
    ("--tgt one", "--src"),
    ("--src two --tgt two --valid-tgt two", "--valid-src"),
    ("--src two --tgt two --max-minutes 0", "--max-minutes"),
    ("--src two --tgt two --config none.toml", "none.toml No such file"),
    ("--src two --tgt two --config smal", "smal: neither small"),
    ("--src two --tgt two --config folder", "folder: neither"),
    ("--src two --tgt two --config key.toml", "'transformer.haeds' 'heads'"),
    ("--src two --tgt two --config section.toml", "'trainning' 'training'"),
    ("--src two --tgt two --config type.toml", "training.seed: integer, got 'one'"),
    ("--src two --tgt two --config heads.toml", "multiple of heads"),
    ("--src two --tgt two --config range.toml", "training.learning_rate"),
    ("--src two --tgt two --config broken.toml", "broken.toml: not valid TOML"),
    ("--src two --tgt two --config binary.toml", "binary.toml: not UTF-8"),
    ("--resume", "no training to resume"),
    ("--seeds 2", "--src: the training text, got nothing"),
    ("--src - --tgt two --seeds 2", "--seeds: files, read for each seed, got '-'"),
    (
        f"{GUIDED} --guide auot",
        "guide auot: expected auto, none, or an existing file",
    ),
    (
        f"{GUIDED} --dictionary entries",
        "entries, line 2: expected one tab, between source and target, got 0",
    ),
    (f"{GUIDED} --dictionary none.tsv", "none.tsv: cannot read it: no such file"),
    (
        f"{GUIDED} --guide none --dictionary entries",
        "dictionary entries: expected guide auto, got none",
    ),
    (f"{GUIDED} --from folder", "folder: not a whole model"),
    (f"{GUIDED} --guide folder", "guide folder: expected an existing file"),
    (f"{GUIDED} --guide links", "links: expected 2 lines, got 1"),
    (f"{GUIDED} --guide half", "half, line 2: got '3-'"),
    (f"{GUIDED} --guide binary", "binary"),
    (f"{GUIDED} --guide far", "far, line 2: links within 1 and 1 words, got 1-0"),
    (
        "--src gaps --tgt gaps --valid-src two --valid-tgt two --guide gaps.links",
        "gaps.links, line 3: links within 2 and 2 words, got 1-2",
    ),
]
ALIGN = [
    *TEXT,
    ("--layer 9", "layer from 1 to 2, got 9"),
    ("--layer 0", "--layer: a whole number of at least 1, got 0"),
    ("--threshold nan", "--threshold: a number from 0 to 1, got nan"),
    ("--prior-weight nan", "--prior-weight: a number from 0 to 1, got nan"),
    ("--head 3", "head from 1 to 2, got 3"),
    ("--symmetrize union --one-to-one", "--one-to-one: --symmetrize soft, got union"),
    ("--symmetrize union --threshold 0.5", "--threshold: --symmetrize soft"),
    ("--symmetrize union --preset recall", "--preset recall: --symmetrize soft"),
    ("--direction forward --preset precise", "--preset precise: both directions"),
    ("--direction reverse --threshold 0.5", "--threshold: both directions"),
    ("--preset recall --threshold 0.5", "--threshold: no --preset beside it"),
    ("--sentence-scores new", "new: --sentence-scores another file"),
    ("--sentence-scores folder/../new", "folder/../new: --sentence-scores another"),
    ("--sentence-scores links --src links --tgt two", "links: got an input file"),
]
EVALUATE = [
    ("--gold none --hyp links", "none No such file"),
    ("--gold links --hyp none", "none No such file"),
    ("--gold folder --hyp links", "folder directory"),
    ("--gold links --hyp folder", "folder directory"),
    ("--gold links --hyp binary", "binary"),
    ("--gold binary --hyp links", "binary"),
    ("--gold links --hyp latin1", "latin1, line 2: UTF-8"),
    ("--gold links --hyp half", "half, line 2: got '3-'"),
    ("--gold half --hyp blank", "half, line 2: got '3-'"),
    ("--gold letters --hyp links", "letters, line 1: got 'a-b'"),
    ("--gold links --hyp letters", "letters, line 1: got 'a-b'"),
    ("--gold links --hyp negative", "negative, line 1: got '-1-2'"),
    ("--gold negative --hyp links", "negative, line 1: got '-1-2'"),
    ("--gold huge --hyp links", "huge, line 1: numbers up to"),
    ("--gold links --hyp links --hyp-base 1", "links, line 1: counted from 1"),
    ("--gold long.naacl --hyp links", "long.naacl, line 2: up to 1, got 7"),
    ("--gold zero.naacl --hyp links", "zero.naacl, line 1: from 1"),
    ("--gold links --hyp blank", "blank: expected 1 lines as links has, got 3"),
    ("--gold links --hyp links --hyp blank", "blank: expected 1 lines got 3"),
    ("--gold blank --hyp links --hyp blank", "links: expected 3 lines got 1"),
    ("--gold empty --hyp empty", "empty: at least one sentence pair"),
    ("--gold links --hyp links --src two --tgt two", "expected 1 sentence pairs got 2"),
    ("--gold links --hyp links --src two", "--src and --tgt"),
    ("--gold - --hyp -", "-"),
]
MODEL_FILES = ["config.toml", "subwords.model", "model.safetensors", "meta.json"]
DAMAGES = ["missing", "cut", "foreign", "folder"]
MODELS = [
    ("nowhere", "nowhere: no such model directory"),
    ("one", "one: no such model directory"),
    ("folder", "folder: not a whole model"),
    *((f"{name}-{how}", name) for name in MODEL_FILES for how in DAMAGES),
]
CASES = [
    *((f"train --config recipe --out new {o}", message) for o, message in TRAIN),
    *((f"align model --out new {o}", message) for o, message in ALIGN),
    *((f"evaluate {o}", message) for o, message in EVALUATE),
    *((f"align {m} --out new --src one --tgt one", message) for m, message in MODELS),
    ("translate model < latin1", "<stdin>, line 2: UTF-8"),
    ("translate model --length-penalty nan < one", "--length-penalty: a number"),
    ("translate nan < one", "nan/model.safetensors: finite numbers"),
    ("align nan --out new --src one --tgt one", "nan/model.safetensors: finite"),
    (
        "align no-prior --out new --src one --tgt one",
        "no-prior: prior.safetensors missing",
    ),
    (
        "train --out model --resume --config base",
        "to resume, the same recipe as before",
    ),
    ("train --out model --resume --guide none", "--guide: --src beside it"),
    ("train --out model --resume --from cut", "--from: --src beside it"),
    ("train --out model --resume --dictionary one", "--dictionary: --src beside it"),
    ("train --out cut --resume", "cut/config.toml: not whole"),
    ("translate nowhere < one", "nowhere: no such model directory"),
    ("align model --out folder --src one --tgt one", "folder: expected a file"),
    ("align model --out one/two --src one --tgt one", "one"),
    ("align model --out one --src one --tgt one", "one: expected another output"),
    (
        "align model --out w --src w.src --tgt two --tokenize en de",
        "w.src: expected another output",
    ),
    ("align model --src two --tgt two --tokenize en de", "raw text: expected --out"),
    ("train --config small --out new --src empty --tgt empty", "empty: at least 2"),
    ("train --out one --src two --tgt two", "one: expected a directory"),
]


@pytest.fixture(scope="module")
def outcomes(
    trained: Trained, run: Run, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Outcome]:
    """Run all cases in a folder that holds the files above; return how they ended."""
    folder = tmp_path_factory.mktemp("bad-input")
    for name, content in {**FILES, "w.src": FILES["two"]}.items():
        (folder / name).write_bytes(content)
    (folder / "folder").mkdir()
    shutil.copy(trained.recipe, folder / "recipe")
    shutil.copytree(trained.model, folder / "model")
    for name in MODEL_FILES:
        for damage in DAMAGES:
            _damage(
                shutil.copytree(folder / "model", folder / f"{name}-{damage}"),
                name,
                damage,
            )
    for name in ("nan", "no-prior", "cut"):
        shutil.copytree(folder / "model", folder / name)
    weights = load_file(folder / "nan" / "model.safetensors")
    weights["decoder_norm.bias"][0] = torch.nan
    save_file(weights, folder / "nan" / "model.safetensors")
    (folder / "no-prior" / "prior.safetensors").unlink()
    recipe = (folder / "cut" / "config.toml").read_text()
    (folder / "cut" / "config.toml").write_text(recipe.partition("patience")[0])
    before = _snapshot(folder)
    ended = {}
    for case, _ in CASES:
        command, _, stdin = case.partition(" < ")
        if command.startswith("align model") and "--src" not in command:
            command += " --src one --tgt one"
        text = (folder / stdin).read_bytes() if stdin else b""
        ended[case] = run(*command.split(), stdin=text, cwd=folder)
    assert _snapshot(folder) == before, "something was written"
    return ended


def _damage(model: Path, name: str, how: str) -> None:
    path = model / name
    content = path.read_bytes()
    path.unlink()
    if how == "folder":
        path.mkdir()
    elif how == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif how == "foreign":
        path.write_bytes(b'{"format": "something else"}')


def _snapshot(folder: Path) -> dict[Path, bytes | None]:
    return {
        path: path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.parametrize(("case", "message"), CASES)
def test_bad_input(outcomes: dict[str, Outcome], case: str, message: str) -> None:
    outcome = outcomes[case]
    outcome.assert_clean_failure(*message.split())
    assert outcome.out == ""


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_file(run: Run, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch(mode=0)
    result = run("evaluate", "--gold", secret, "--hyp", secret)
    result.assert_clean_failure("secret", "Permission denied")


@pytest.mark.parametrize(
    "arguments",
    [
        "evaluate",
        "align",
        "nonsense",
        "align m --src a --symmetrize most",
        "align m --src a --layer two",
    ],
)
def test_wrong_usage(run: Run, arguments: str) -> None:
    result = run(*arguments.split())
    assert result.code == 2
    assert "Usage: " in result.err
    assert "Traceback" not in result.err

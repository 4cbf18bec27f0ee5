"""The page of `aligner view` in a real browser: what it shows, asks for and obeys."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_models import WORDS, random_model

from aligner.cli.app import app
from aligner.links.alignment import GoldAlignment
from aligner.links.formats import format_gold, format_pharaoh, parse_pharaoh
from aligner.nmt.checkpoint import save_recipe, save_weights
from aligner.nmt.model_meta import TrainedOn, save_meta

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs an executable `chromium`"),
]

QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-quic",
]
HOSTILE = "<script>alert(1)</script>"
HEBREW = "הבית הישן עומד כאן"
SOURCES = [" ".join(WORDS[:6]), f"{HOSTILE} </script> &amp; \"'", "the old mill", ""]
TARGETS = [" ".join(WORDS[2:9]), "<b>x</b> \U0001f600 e\u0301", HEBREW, "small"]
LINKS = ["0-0 1-2 2-1 3-3 5-6", "0-0", "0-0 1-1 2-0", ""]
GOLD = [
    GoldAlignment(frozenset({(0, 0), (2, 1), (4, 4)}), frozenset({(1, 2), (5, 5)})),
    GoldAlignment(frozenset({(0, 0)})),
    GoldAlignment(frozenset({(0, 0), (1, 1)})),
    GoldAlignment(),
]
FIRST_ROW = "table[data-score=norm] td[data-row='0']"
DRAWN = """paths => paths.map(path => [
    Number(path.dataset.src), Number(path.dataset.tgt), path.dataset.kind])"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write two pages about one text: with gold, and without."""
    folder = tmp_path_factory.mktemp("pages")
    model = random_model()
    save_recipe(folder, model.config, model.subwords)
    save_weights(folder, model.network)
    files = TrainedOn(guide="their.align")
    save_meta(folder, model.meta.model_copy(update={"files": files}))
    for name, lines in (
        ("src", SOURCES),
        ("tgt", TARGETS),
        ("hyp", LINKS),
        ("gold", map(format_gold, GOLD)),
    ):
        text = "".join(f"{line}\n" for line in lines)
        (folder / name).write_text(text, encoding="utf-8")
    text = [f"--{name}={folder / name}" for name in ("src", "tgt", "hyp")]
    for name, gold in (("plain", []), ("compared", [f"--gold={folder / 'gold'}"])):
        options = [*text, *gold, "--pairs=1-4", f"--out={folder / name}.html"]
        app(["view", str(folder), *options], standalone_mode=False)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium.new_context(viewport={"width": 1300, "height": 900})
        chromium.close()


@pytest.fixture
def opened(browser: Any, pages: Path) -> Iterator[Any]:
    """Open the page with gold; in the end, it has asked and complained of nothing."""
    yield from _open(browser, pages / "compared.html")


@pytest.fixture
def plain(browser: Any, pages: Path) -> Iterator[Any]:
    """Open the page without gold."""
    yield from _open(browser, pages / "plain.html")


def _open(browser: Any, path: Path) -> Iterator[Any]:
    page = browser.new_page()
    requests: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    page.goto(path.as_uri())
    yield page
    assert requests == [path.as_uri()]
    assert not complaints
    page.close()


def numbers(page: Any, score: str) -> list[str]:
    cells: list[str] = page.locator(f"table[data-score={score}] td").all_text_contents()
    return cells


def words(page: Any, side: str) -> list[str]:
    found: list[str] = page.locator(f"ol.{side} bdi").all_text_contents()
    return found


def test_selectors_change_the_numbers(opened: Any) -> None:
    before = [numbers(opened, score) for score in ("norm", "weight")]
    for name, value in (
        ("layer", "0"),
        ("head", "2"),
        ("rows", "awo"),
        ("direction", "reverse"),
        ("layer", "2"),
    ):
        opened.select_option(f"#{name}", value)
        after = [numbers(opened, score) for score in ("norm", "weight")]
        assert before[0] != after[0], f"norms by {name}"
        assert before[1] != after[1], f"weights by {name}"
        before = after
    src, tgt = len(SOURCES[0].split()), len(TARGETS[0].split())
    assert len(before[0]) == src * (tgt + 1)


def test_rows_to_choose_depend_on_the_layer(opened: Any) -> None:
    assert opened.locator("#rows option").count() == 2
    opened.select_option("#layer", "0")
    assert opened.locator("#rows option").count() == 3, "the guided layer has `full`"
    opened.select_option("#rows", "full")
    opened.select_option("#layer", "2")
    assert opened.locator("#rows").input_value() == "awi"


def test_weights_of_a_row_sum_to_one(opened: Any) -> None:
    row = opened.locator("table[data-score=weight] tr:nth-child(1) td")
    assert sum(map(float, row.all_text_contents())) == pytest.approx(1, abs=0.05)


def test_links_drawn_are_those_of_the_file(plain: Any) -> None:
    for line in LINKS:
        drawn = plain.locator("#links path").evaluate_all(DRAWN)
        assert all(kind == "link" for _, _, kind in drawn)
        links = parse_pharaoh(line)
        assert len(drawn) == len(links)
        assert format_pharaoh((s, t) for s, t, _ in drawn) == format_pharaoh(links)
        plain.keyboard.press("n")


def test_kinds_of_links_show_without_colour(opened: Any) -> None:
    drawn = opened.locator("#links path").evaluate_all(DRAWN)
    assert sorted(drawn) == [
        [0, 0, "correct"],
        [1, 2, "possible"],
        [2, 1, "correct"],
        [3, 3, "wrong"],
        [4, 4, "missed"],
        [5, 6, "wrong"],
    ]
    legend = opened.locator("#legend li").all_text_contents()
    assert [item.strip() for item in legend] == [
        "2 correct",
        "1 possible",
        "2 wrong",
        "1 missed",
    ]
    styles = opened.locator("#legend path").evaluate_all(
        "paths => paths.map(getComputedStyle).map("
        "style => style.strokeWidth + ' ' + style.strokeDasharray)"
    )
    assert len(set(styles)) == 4
    outlined = opened.locator("table[data-score=norm] td[data-kind]")
    assert outlined.count() == len(drawn)


def test_text_stays_text(opened: Any) -> None:
    opened.keyboard.press("n")
    assert words(opened, "src") == SOURCES[1].split()
    assert words(opened, "tgt") == TARGETS[1].split()
    assert opened.locator("thead bdi").all_text_contents()[:4] == SOURCES[1].split()
    assert opened.locator("main script, main b b, #links b").count() == 0


def test_hebrew(opened: Any) -> None:
    opened.select_option("#pair", "2")
    assert words(opened, "tgt") == HEBREW.split()
    shown = opened.locator("ol.tgt bdi").first
    assert shown.evaluate("word => getComputedStyle(word).direction") == "rtl"
    assert shown.is_visible()


def test_keyboard(opened: Any) -> None:
    live = opened.locator("#live")
    opened.locator(f"{FIRST_ROW}[tabindex='0']").focus()
    before = live.text_content()
    assert WORDS[2] in before
    assert WORDS[0] in before
    opened.keyboard.press("ArrowRight")
    assert live.text_content() != before
    assert WORDS[1] in live.text_content()
    opened.keyboard.press("End")
    assert "NULL" in live.text_content()
    opened.keyboard.press("ArrowRight")
    assert "NULL" in live.text_content(), "the last column stays the last"
    assert opened.locator("table[data-score=norm] td[tabindex='0']").count() == 1
    opened.keyboard.press("n")
    assert opened.locator("#rate").text_content().startswith("Pair 2")
    assert opened.locator("table[data-score=norm] td:focus").count() == 1
    opened.keyboard.press("p")
    assert opened.locator("#rate").text_content().startswith("Pair 1")
    opened.keyboard.press("p")
    assert opened.locator("#rate").text_content().startswith("Pair 1")


def test_a_word_marks_its_links_and_its_row(opened: Any) -> None:
    opened.locator("ol.src button").first.focus()
    opened.keyboard.press("ArrowDown")
    marked = opened.locator("#links path.on").evaluate_all(DRAWN)
    assert marked == [[1, 2, "possible"]]
    assert opened.locator("ol.tgt button.partner").all_text_contents() == [WORDS[4]]
    assert opened.locator("thead th.on").count() == 2, "one in each heatmap"
    assert "possible" in opened.locator("#live").text_content()


def test_a_pair_without_heatmaps(opened: Any) -> None:
    opened.select_option("#pair", "3")
    assert opened.locator("#problem").is_visible()
    assert "the source side is empty" in opened.locator("#problem").text_content()
    assert not opened.locator("#figures").is_visible()
    assert words(opened, "tgt") == ["small"]
    opened.locator("ol.tgt button").focus()
    opened.keyboard.press("p")
    assert opened.locator("#figures").is_visible()


def test_print_shows_no_controls(opened: Any) -> None:
    opened.emulate_media(media="print")
    assert not opened.locator("#layer").is_visible()
    assert not opened.locator("#next").is_visible()
    assert opened.locator("#links svg").is_visible()
    assert "layer 2 of 3" in opened.locator("figcaption").first.text_content()

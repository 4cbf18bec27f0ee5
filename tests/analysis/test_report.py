"""What a report writes: files that agree with one another, and nothing half."""

import csv
import json
import re
import struct
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from aligner.analysis.report.content import Report, Table
from aligner.analysis.report.directory import clear_report, write_report
from aligner.analysis.report.figures import Curves, Heatmap, Scatter
from aligner.analysis.report.page import report_page
from aligner.errors import ConfigError

NASTY = "<script>alert('1')</script> & \"$x_1$\" – мир שלום 😀"
TABLE = Table(
    "rates",
    f"Rates of {NASTY}",
    ["name", "rate", "count"],
    [[NASTY, 0.123456789, 7], ["b, c", None, 0]],
    digits=2,
    note=NASTY,
)
FIGURES = [
    Heatmap("heat", f"Heat {NASTY}", [[1.0, None], [0.5, 2.5]], NASTY, NASTY),
    Curves(
        "curves", "Curves", {NASTY: [1.0, None, 3.0]}, "y", {NASTY: [0.1, None, 0.2]}
    ),
    Scatter(
        "points", "Points", {NASTY: [(1, 2), (3, 4)], "none": []}, "x", NASTY, NASTY
    ),
]
# What stands in a figure; its title stands over it.
WORDS = {"heat": NASTY, "curves": "layer", "points": NASTY}
REPORT = Report(
    f"Title {NASTY}", {"text": NASTY, "pairs": 3}, [NASTY], [TABLE], FIGURES
)
VOID = {"meta", "br", "hr", "img", "input", "link"}


class Page(HTMLParser):
    """The tags, ids, links and text of a page, which must be well-formed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.targets: list[str] = []
        self.text = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        given = dict(attrs)
        if "id" in given:
            self.ids.append(str(given["id"]))
        self.targets += [str(v) for k, v in attrs if k in ("href", "src", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("report") / "new"
    write_report(out, REPORT)
    return out


def test_each_table_and_figure_has_its_files(folder: Path) -> None:
    pictures = [f"{f.name}.{kind}" for f in FIGURES for kind in ("png", "svg")]
    expected = sorted(["report.html", "report.json", "rates.csv", *pictures])
    assert sorted(path.name for path in folder.iterdir()) == expected


def test_csv_holds_every_digit_and_nothing_for_none(folder: Path) -> None:
    with (folder / "rates.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [TABLE.columns, [NASTY, "0.123456789", "7"], ["b, c", "", "0"]]


def test_json_holds_everything(folder: Path) -> None:
    content = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    assert content["settings"] == REPORT.settings
    assert content["notes"] == [NASTY]
    assert content["tables"][0]["rows"] == TABLE.rows
    assert [f["kind"] for f in content["figures"]] == ["Heatmap", "Curves", "Scatter"]
    assert content["figures"][0]["values"] == FIGURES[0].values


def test_the_page_is_well_formed_and_needs_no_other_file(folder: Path) -> None:
    page = Page((folder / "report.html").read_text(encoding="utf-8"))
    assert not {"script", "link", "img", "iframe"} & page.tags
    assert len(set(page.ids)) == len(page.ids)
    files = {path.name for path in folder.iterdir()}
    for target in page.targets:
        if target.startswith("#"):
            assert target[1:] in page.ids
        else:
            # A colour scale is drawn as a picture within the figure.
            assert target in files or target.startswith("data:image/png;base64,")


def test_the_page_shows_the_text_as_text_and_numbers_rounded(folder: Path) -> None:
    text = Page((folder / "report.html").read_text(encoding="utf-8")).text
    for shown in (f"Title {NASTY}", f"Rates of {NASTY}", f"Heat {NASTY}", "0.12", "–"):
        assert shown in text
    assert "0.123" not in text


def test_of_a_table_that_is_too_long_the_page_has_a_link() -> None:
    table = Table("long", "Long", ["n"], [[i + 1000] for i in range(500)])
    page = report_page(Report("t", {}, [], [table], []), {})
    assert "500 rows" in page
    assert 'href="long.csv"' in page
    assert "1499" not in page


def test_a_column_without_values_is_left_out_of_the_page() -> None:
    table = Table("t", "T", ["full", "vacant", "half"], [[1, None, None], [2, None, 3]])
    page = report_page(Report("t", {}, [], [table], []), {})
    assert "full</th>" in page
    assert "half</th>" in page
    assert "vacant" not in page


def test_svg_is_xml_with_text_and_png_is_a_picture(folder: Path) -> None:
    for figure in FIGURES:
        svg = (folder / f"{figure.name}.svg").read_text(encoding="utf-8")
        words = "".join(ElementTree.fromstring(svg).itertext())
        assert WORDS[figure.name] in words
        png = (folder / f"{figure.name}.png").read_bytes()
        assert png.startswith(b"\x89PNG")
        width, height = struct.unpack(">II", png[16:24])
        assert width > 400 < height or width > height > 200


def test_a_figure_is_drawn_the_same_each_time(folder: Path, tmp_path: Path) -> None:
    write_report(tmp_path, REPORT)
    for path in folder.iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_an_earlier_report_goes_and_other_files_stay(tmp_path: Path) -> None:
    write_report(tmp_path, REPORT)
    (tmp_path / "notes.txt").write_text("mine")
    clear_report(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("content", ["{", "[]", '{"tables": 3}'])
def test_what_is_no_report_is_not_cleared(tmp_path: Path, content: str) -> None:
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(ConfigError, match="expected a report to replace"):
        clear_report(tmp_path)


def test_only_files_of_the_directory_are_removed(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "other.csv").write_text("mine")
    names = {"tables": [{"name": "../other"}], "figures": []}
    (inside / "report.json").write_text(json.dumps(names))
    clear_report(inside)
    assert (tmp_path / "other.csv").exists()


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ([[1]], "expected"),
        ([[1, float("nan")]], "finite"),
        ([[1, float("inf")]], "finite"),
    ],
)
def test_a_table_holds_whole_rows_of_numbers(
    rows: list[list[float]], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        Table("t", "t", ["a", "b"], rows)


def test_a_file_name_that_is_not_utf8_can_be_reported(tmp_path: Path) -> None:
    write_report(tmp_path, Report("t", {"src": "caf\udce9"}, ["caf\udce9"], [], []))
    settings = json.loads((tmp_path / "report.json").read_text("utf-8"))["settings"]
    assert settings == {"src": "caf?"}
    assert "caf?" in (tmp_path / "report.html").read_text("utf-8")


def test_no_name_stands_twice() -> None:
    with pytest.raises(ValueError, match=re.escape("['rates', 'rates']")):
        Report("t", {}, [], [TABLE, TABLE], [])

"""A report's files, written into one directory, or cleared from it.

report.html     everything, in one file that needs no other
report.json     everything, with the settings that made it
NAME.csv        each table
NAME.svg, .png  each figure
"""

import json
from pathlib import Path

from aligner.analysis.report.content import Report, encodable
from aligner.analysis.report.figures import draw
from aligner.analysis.report.page import report_page
from aligner.errors import ConfigError
from aligner.files import replacing, write_whole

REPORT, PAGE = "report.json", "report.html"


def write_report(directory: Path, report: Report) -> None:
    """Write a report's files into a directory; `report.html`, the last, is complete."""
    drawn = {}
    for table in report.tables:
        write_whole(directory / f"{table.name}.csv", table.to_csv())
    for figure in report.figures:
        drawn[figure.name], png = draw(figure)
        write_whole(directory / f"{figure.name}.svg", drawn[figure.name])
        with replacing(directory / f"{figure.name}.png") as beside:
            beside.write_bytes(png)
    write_whole(directory / REPORT, report.to_json())
    write_whole(directory / PAGE, encodable(report_page(report, drawn)))


def clear_report(directory: Path) -> None:
    """Remove the files of a report that was written into a directory before.

    Raises:
        ConfigError: what lies there is no report.
    """
    path = directory / REPORT
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        tables, figures = (
            [entry["name"] for entry in content[kind]] for kind in ("tables", "figures")
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: expected a report to replace: {error}") from error
    names = [f"{name}.csv" for name in tables]
    names += [f"{name}.{kind}" for name in figures for kind in ("svg", "png")]
    for name in (*names, PAGE, REPORT):
        if Path(name).name == name:  # nothing outside the directory
            (directory / name).unlink(missing_ok=True)

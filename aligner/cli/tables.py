"""Tables on stdout: drawn on a terminal, tab-separated elsewhere."""

import sys
from collections.abc import Sequence
from typing import Literal


def print_table(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    """Print a table; all columns but the first are right-aligned."""
    if not sys.stdout.isatty():
        print(f"# {title}")
        for row in [header, *rows]:
            print("\t".join(row))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for index, name in enumerate(header):
        justify: Literal["left", "right"] = "right" if index else "left"
        table.add_column(name, justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)

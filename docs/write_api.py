"""Write the reference of the public names from their docstrings.

pip install -e '.[docs]'
python docs/write_api.py            # writes docs/api.md
python docs/write_api.py --check    # fails where it is not what would be written
"""

import argparse
import logging
import sys
from pathlib import Path

from griffe2md import ConfigDict, render_package_docs

PLACE = Path(__file__).with_name("api.md")
SETTINGS: ConfigDict = {
    "show_submodules": False,
    "show_if_no_docstring": False,
}


class _NoWarnings(logging.Handler):
    """Ends the program where a docstring cannot be made out."""

    def emit(self, record: logging.LogRecord) -> None:
        """End the program."""
        sys.exit(f"docs/write_api.py: {record.getMessage()}")


def main() -> None:
    """Write the page, or check it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true")
    logging.getLogger("griffe").addHandler(_NoWarnings(logging.WARNING))
    page = render_package_docs("aligner", SETTINGS).rstrip() + "\n"
    if not parser.parse_args().check:
        PLACE.write_text(page, encoding="utf-8")
    elif PLACE.read_text(encoding="utf-8") != page:
        sys.exit(f"{PLACE}: expected what `python docs/write_api.py` writes")


if __name__ == "__main__":
    main()

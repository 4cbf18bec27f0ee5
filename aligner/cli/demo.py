"""aligner demo: the whole path on the sample corpus."""


def demo() -> None:
    """Todo."""

"""The command line: one module per subcommand."""


def main() -> None:
    """Run the command line."""
    from aligner.cli.console import reporting

    with reporting():
        # Within: Ctrl-C while this loads is an interrupt like any other.
        from aligner.cli.app import app

        app()

"""What all commands share: messages on stderr, errors, devices."""

import functools
import os
import sys
from collections.abc import Callable
from typing import ParamSpec

from aligner.errors import AlignerError, ConfigError

P = ParamSpec("P")

USER_ERROR, INTERRUPTED = 2, 130


def say(message: str) -> None:
    """Print a message for the user on stderr."""
    print(message, file=sys.stderr, flush=True)


def reports_errors(command: Callable[P, None]) -> Callable[P, None]:
    """Wrap a command so that mistakes end it with one line, not with a traceback."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except AlignerError as error:
            fail(str(error))
        except BrokenPipeError:
            # The reader of our output has seen enough; let exit not flush again.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            fail(f"{where}{error.strerror or error}")
        except KeyboardInterrupt:
            interrupted()

    return wrapped


def fail(message: str) -> None:
    """End the program because of a user's mistake."""
    say(f"aligner: error: {' '.join(message.split())}")
    sys.exit(USER_ERROR)


def interrupted() -> None:
    """End the program because the user pressed Ctrl-C."""
    say("aligner: interrupted")
    sys.exit(INTERRUPTED)


def resolve_device(name: str) -> str:
    """Return the device that `auto`, `cpu`, `cuda` or `mps` stands for; say which.

    Raises:
        ConfigError: there is no such device here.
    """
    import torch

    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(device for device, there in available.items() if there)
    if not available.get(name.split(":")[0], False):
        names = ", ".join(device for device, there in available.items() if there)
        raise ConfigError(f"--device {name}: available here: auto, {names}")
    threads = f", {torch.get_num_threads()} threads" if name == "cpu" else ""
    say(f"device: {name}{threads}")
    return name

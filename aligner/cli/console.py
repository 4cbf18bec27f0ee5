"""What all commands share: messages on stderr, errors, interrupts, devices."""

import io
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from aligner.cli.torchrun import is_started_by_torchrun, rank_from_environment
from aligner.errors import AlignerError, ConfigError, TrainingStopped
from aligner.processors import cpu_share, prepare_environment

USER_ERROR = 2
STOPPING = (signal.SIGINT, signal.SIGTERM)
STOPPED = 128  # and the signal's number, as shells have it: Ctrl-C gives 130
OTHERS_WAIT = 3.0  # seconds in which the first of several processes may fail as well
AGAIN = 0.05  # seconds until a signal that came too soon is sent again


_number = 0  # of this process, among those that do one thing together


def speak_as(number: int) -> None:
    """Leave it to the first of several processes, 0, to speak for all."""
    global _number
    _number = number


def say(message: str) -> None:
    """Print a message for the user on stderr, in one piece."""
    if not _number:
        sys.stderr.write(f"{message}\n")
        sys.stderr.flush()


class _Sayer(logging.Handler):
    """Says what the library logs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say one thing."""
        warning = "warning: " if record.levelno >= logging.WARNING else ""
        say(f"{warning}{record.getMessage().rstrip()}")


@contextmanager
def reporting() -> Iterator[None]:
    """Let mistakes and Ctrl-C end the program with one line, not with a traceback."""
    received: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if _is_indivisible(frame):
            threading.Timer(AGAIN, os.kill, (os.getpid(), number)).start()
            return
        received.append(number)
        raise KeyboardInterrupt

    for number in STOPPING:
        if signal.getsignal(number) != signal.SIG_IGN:  # the parent's wish
            signal.signal(number, stop)
    _prepare_streams()
    prepare_environment()
    logger = logging.getLogger("aligner")
    logger.setLevel(logging.INFO)
    logger.addHandler(_Sayer())
    try:
        try:
            yield
        except SystemExit:
            sys.stdout.flush()
            raise
    except BaseException as error:
        # Whatever the KeyboardInterrupt has become on its way: that a signal came is
        # what counts.
        if received or isinstance(error, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            say("aligner: interrupted")
            # At once: no tearing down to interrupt. Without a signal of our own,
            # another process that trains with us was asked to stop.
            os._exit(STOPPED + (received[0] if received else signal.SIGTERM))
        if isinstance(error, BrokenPipeError):
            _leave(1)  # who reads our output has seen enough
        if isinstance(error, AlignerError):
            fail(str(error))
        if isinstance(error, OSError):
            where = error.filename or "cannot write"
            fail(f"{where}: {error.strerror or error}")
        raise


def _is_indivisible(frame: FrameType | None) -> bool:
    """Tell whether native code is at work that may not be interrupted.

    A module is being loaded, or the compiler calls back to keep what it has made.
    """
    while frame:
        file = frame.f_code.co_filename
        if file == "<frozen importlib._bootstrap>" or "llvmlite" in Path(file).parts:
            return True
        frame = frame.f_back
    return False


@contextmanager
def stopping_gently() -> Iterator[Callable[[], bool]]:
    """Let Ctrl-C or SIGTERM wait until the block ends; yield whether one came.

    The block is to end soon then. The second time it ends at once.
    """
    noted: list[int] = []
    handlers = {number: signal.getsignal(number) for number in STOPPING}

    def note(number: int, frame: FrameType | None) -> None:
        if noted:
            restore()
            os.kill(os.getpid(), number)
        else:
            noted.append(number)
            say("stopping after a checkpoint; once more: at once")

    def restore() -> None:
        for number, handler in handlers.items():
            signal.signal(number, handler)

    # Only the main thread may say what signals do.
    in_charge = threading.current_thread() is threading.main_thread()
    if in_charge:
        for number, handler in handlers.items():
            if handler != signal.SIG_IGN:
                signal.signal(number, note)
    try:
        yield lambda: bool(noted)
    except TrainingStopped:
        if not noted:  # another process was to stop
            raise KeyboardInterrupt from None
    finally:
        if in_charge:
            restore()
    if noted:
        os.kill(os.getpid(), noted[0])


def fail(message: str) -> None:
    """End the program because of a user's mistake."""
    if _number:
        # torchrun ends us meanwhile if the first process has failed, and said why.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        time.sleep(OTHERS_WAIT)
        message = f"process {_number + 1}: {message}"
        speak_as(0)
    say(f"aligner: error: {' '.join(message.split())}")
    with suppress(OSError):
        sys.stdout.flush()
    _leave(USER_ERROR)


def _leave(code: int) -> None:
    """Exit without another try to write what could not be written."""
    if is_started_by_torchrun():
        os._exit(code)  # what the others left undone on a GPU could be waited for
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.exit(code)


def _prepare_streams() -> None:
    """Make stdout UTF-8 everywhere; what was closed before the start is empty."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115
            setattr(sys, name, stream)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # File names that are not UTF-8 leave as they came.
        sys.stdout.reconfigure(encoding="utf-8", errors="surrogateescape", newline="\n")


def resolve_device(name: str, threads: int | None = None) -> str:
    """Return the device that `auto`, `cpu`, `cuda` or `mps` stands for; say which.

    On the CPU, torch is set to so many threads: by default as many as it would take,
    but no more than a container's share of the CPU is worth.

    Raises:
        ConfigError: there is no such device here.
    """
    import torch

    torch.set_num_threads(threads or min(torch.get_num_threads(), cpu_share()))

    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    rank = rank_from_environment()
    if name == "auto" and rank and available["mps"]:
        name = "cpu"  # processes that train together cannot share it
    if name == "auto":
        name = next(device for device, there in available.items() if there)
    if not available.get(name, False):
        names = ", ".join(device for device, there in available.items() if there)
        raise ConfigError(f"--device {name}: available here: auto, {names}")
    if name == "cuda" and rank:  # a GPU for each
        gpus = torch.cuda.device_count()
        if rank.local >= gpus:
            raise ConfigError(
                f"--nproc-per-node: expected up to {gpus}, a GPU for each process, "
                f"got at least {rank.local + 1}"
            )
        torch.cuda.set_device(rank.local)
    number = torch.get_num_threads()
    count = f", {number} thread{'s' * (number > 1)}" if name == "cpu" else ""
    say(f"device: {name}{count}")
    return name

"""What torchrun says of us in the environment."""

import os
from typing import NamedTuple


class Rank(NamedTuple):
    """Our number, from 0, among so many processes, and on this machine alone."""

    number: int
    of: int
    local: int


def is_started_by_torchrun() -> bool:
    """Tell whether torchrun has started us, alone or among others."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def rank_from_environment() -> Rank | None:
    """Return our place among the processes of torchrun; None where we are alone."""
    if not is_started_by_torchrun():
        return None
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    rank = Rank(*(int(os.environ[name]) for name in names))
    return rank if rank.of > 1 else None

"""How much of the machine's processors this process may use."""

import math
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def prepare_environment() -> None:
    """Set what torch goes by, unless the user has; before torch is loaded."""
    # How long threads spin while they wait: so shortly that a training beside a busy
    # process keeps its share of the cores (benchmarks/training.py --busy 1), and so
    # long that few threads have to be woken on idle ones. The second counts for GNU's
    # OpenMP only.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "200")
    # Code for products in bfloat16 that is kept: see `precision_of`.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
    os.environ.setdefault("LRU_CACHE_CAPACITY", "64")


def cpu_share(cgroups: Path = CGROUPS) -> int:
    """Return the processors that we may use, at least 1.

    The affinity mask counts, and a container's quota of processor time, which torch
    and OpenMP do not see: with 64 threads on two processors' time, all wait for all.
    """
    if hasattr(os, "sched_getaffinity"):
        allowed = len(os.sched_getaffinity(0))
    else:
        allowed = os.cpu_count() or 1
    quota = _quota(cgroups)
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota)))


def _quota(cgroups: Path) -> float | None:
    """Return a container's quota in processors; None where there is none."""
    try:
        if (cgroups / "cpu.max").is_file():  # version 2
            quota, period = (cgroups / "cpu.max").read_text().split()
        else:
            folder = cgroups / "cpu"
            quota = (folder / "cpu.cfs_quota_us").read_text()
            period = (folder / "cpu.cfs_period_us").read_text()
        processors = int(quota) / int(period)  # "max" and -1: no limit
    except (OSError, ValueError, ZeroDivisionError):
        return None
    return processors if processors > 0 else None

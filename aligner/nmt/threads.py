"""Forward passes in several threads, each of which computes alone."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

from aligner.nmt.precision import attention_kernels, computing
from aligner.terms import Precision

Item = TypeVar("Item")
Result = TypeVar("Result")


def each_alone(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    precision: Precision,
    device: torch.device,
) -> Iterator[Result]:
    """Yield what becomes of each item, in order; on a CPU, by as many threads as torch.

    Each computes alone: small products gain little from a second thread. There, torch
    chooses among all its ways to attend: to limit it would be to limit all threads.
    """
    if device.type != "cpu":
        with attention_kernels(device):
            yield from map(work, items)
        return
    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(threads, "align", _compute_alone, (precision, device))
    try:
        yield from pool.map(work, items)
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # for threads that begin after this


def _compute_alone(precision: Precision, device: torch.device) -> None:
    """Prepare a thread that computes alone until it ends."""
    torch.set_num_threads(1)
    computing(precision, device).__enter__()  # type: ignore[no-untyped-call]

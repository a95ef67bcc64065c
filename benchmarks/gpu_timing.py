"""How a stage is timed on a GPU: events, the peak of memory, CUDA graphs, and rows that may fail."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from benchmarks.kernels import milliseconds

Rows = list[dict[str, Any]]


def captured(run: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """The same work as one CUDA graph."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(2):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        result = run()

    def replay() -> Tensor:
        graph.replay()
        return result

    return replay


def timed(run: Callable[[], Any], device: torch.device) -> dict[str, float]:
    """Median milliseconds and the peak of memory, weights included."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    took = milliseconds(run, device)
    if device.type != "cuda":
        return {"milliseconds": took}
    return {"milliseconds": took, "peak_gib": torch.cuda.max_memory_allocated() / 2**30}


def attempt(run: Callable[[], dict[str, float]]) -> dict[str, Any]:
    """What was measured, or why nothing was: the other rows go on."""
    try:
        return run()
    except Exception as failure:  # out of memory at 14B, say
        return {"failed": f"{type(failure).__name__}: {failure}"[:400]}
    finally:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


@contextmanager
def born(device: torch.device, dtype: torch.dtype) -> Iterator[None]:
    """Modules made within are on the device in the dtype from the start: 14B would not fit twice."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with device:
            yield
    finally:
        torch.set_default_dtype(before)

"""`torch.compile` over a step as one graph: an opt-in for those who step long enough to earn its minute back."""

import os
import shutil
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from itertools import count
from types import FunctionType
from typing import Any

import torch
from torch import Tensor

from wm_gym.checkpoint import Parts
from wm_gym.decoder.chunk_sampler import ChunkSampler
from wm_gym.world_step import Clock, StepInputs, Stepped, WorldStep, world_step


def compiled_step(device: torch.device, backend: str = "inductor", fullgraph: bool = False) -> WorldStep:
    """`world_step` for one model, compiled when it first meets a shape.

    A batch of one has a graph of its own; of other sizes the first has one until a second comes, then all share one. So
    results differ from the plain ones in the last bits, and repeat where the same sizes came in the same order. Each
    number of denoising steps has graphs of its own, and so have guided steps, steps with
    context noise and, with a memory, events; from the ninth
    graph of a model on (torch's `recompile_limit`), what is new runs as if it were not compiled. On a GPU the kernels
    of a graph are launched at once, as a CUDA graph that is recorded for each batch size.

    Args:
        device: where the weights are.
        backend: as for `torch.compile`.
        fullgraph: refuse what would cut the graph, rather than run the pieces.

    Raises:
        ValueError: on the CPU, without a C++ compiler.
    """
    options: dict[str, Any] = {}
    if backend == "inductor" and device.type == "cpu":
        _check_compiler()
    if backend == "inductor" and device.type == "cuda":
        options = {"triton.cudagraphs": True}
    compiled = torch.compile(_own_copy(world_step), backend=backend, fullgraph=fullgraph, options=options or None)
    run: Callable[..., Stepped] = compiled

    def step(parts: Parts, sampler: ChunkSampler, inputs: StepInputs, clock: Clock) -> Stepped:
        with clock("step"):
            stepped = run(parts, sampler, _alike(inputs), _untimed)
            return stepped.clone() if options else stepped  # a CUDA graph's next run overwrites what it gave

    return step


def _alike(inputs: StepInputs) -> StepInputs:
    """The same in one layout, so that forks take no graphs of their own, and events one and not several."""
    rounds = inputs.rewritten_rounds
    return replace(
        inputs,
        state=inputs.state.clone(),
        action_tokens=_own(inputs.action_tokens),
        written=_own(inputs.written),
        rewritten_rounds=None if rounds is None else rounds.clone(),
    )


def _own(tensor: Tensor) -> Tensor:
    """The same in memory of its own, laid out row by row."""
    return tensor.clone(memory_format=torch.contiguous_format)


_copies = count()


def _own_copy(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function under another name: what is compiled is kept, counted and made general by code object and name."""
    assert isinstance(function, FunctionType), "a plain function"
    code = function.__code__.replace(co_name=f"{function.__name__}_{next(_copies)}")
    return FunctionType(code, function.__globals__, function.__name__, function.__defaults__, function.__closure__)


def _untimed(stage: str) -> AbstractContextManager[None]:
    """A clock would cut the graph."""
    return nullcontext()


def _check_compiler() -> None:
    """Looks for what torch would call.

    Raises:
        ValueError: it is not there.
    """
    command = os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++")
    if shutil.which(command) is None:
        raise ValueError(
            f"compiled must be False without a C++ compiler, got True and no {command!r}; install one (Debian: "
            "apt-get install g++), name it in CXX, or leave compiled out"
        )

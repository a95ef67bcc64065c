"""Steps worlds with a compiled step beside the plain one, in a process without runtime type checks.

    python -m tests.compiled CHECKPOINT[:swin] [CHECKPOINT ...]

jaxtyping's checks stand between the tracer and the code. The tracer's own backend stands in for the compiler, which
would take minutes. The checkpoints follow each other in one process, as they do for users.
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch._dynamo.utils import counters

from wm_gym.compiled_step import compiled_step
from wm_gym.decoder.guidance import Guidance
from wm_gym.step_output import StepOutput
from wm_gym.world_model import WorldModel
from wm_gym.world_state import WorldState

ACTIONS = ["go left", "go right", "", "go left"]
STEPS = [[0, 1], [0, 1], [1, 1]]  # the worlds of each step, by their places before it: two, again, forks of one
MORE_STEPS = [[0], [0, 0, 0, 0]]  # one alone, then four


def main(checkpoints: list[str]) -> int:
    """Prints, for each checkpoint, how far apart steps are at most, and how many graphs each step took."""
    print(json.dumps([compare(checkpoint) for checkpoint in checkpoints]))
    return 0


def compare(checkpoint: str) -> dict[str, Any]:
    """Steps of both; what takes graphs of its own in one checkpoint each: batch sizes and guidance, events."""
    folder, _, sampling = checkpoint.partition(":")
    plain, compiled = (
        WorldModel.from_pretrained(folder, sampling="swin" if sampling else "autoregressive") for _ in range(2)
    )
    compiled._world_step = compiled_step(compiled.device, backend="eager", fullgraph=True)
    ((_, starts),) = plain.starts.items()
    state = other = plain.reset(starts[:2], seeds=[3, 4])
    apart = {"frames": 0.0, "probability": 0.0, "latents": 0.0}
    name, graphs = sampling or Path(folder).name, []
    for rows in STEPS + (MORE_STEPS if name == "window" else []):
        counters.clear()
        forked = len(set(rows)) < len(rows)
        state, other = (
            each.select([rows[0]]).repeat(len(rows)) if forked else each.select(rows) for each in (state, other)
        )
        before = other.clone()
        state, expected = plain.step(state, ACTIONS[: len(rows)])
        then, output = compiled.step(other, ACTIONS[: len(rows)])
        assert list(output.latencies) == ["step"]
        assert all(torch.equal(tensor, before.tensors()[key]) for key, tensor in other.tensors().items())
        other = then
        apart = _further(apart, (output, other), (expected, state))
        graphs.append(counters["stats"]["unique_graphs"])
    if name == "memory":
        for events in (["", "go right"], ["go left", ""]):
            counters.clear()
            state, expected = plain.step(state, ACTIONS[:2], events=events)
            other, output = compiled.step(other, ACTIONS[:2], events=events)
            apart = _further(apart, (output, other), (expected, state))
            graphs.append(counters["stats"]["unique_graphs"])
    if name == "window":
        guidance = Guidance(action_scale=2.0)
        steps = [model.step(state, ACTIONS, guidance=guidance) for model in (compiled, plain)]
        apart = _further(apart, *((output, after) for after, output in steps))
        steps = [model.step(state, ACTIONS, context_noise=0.2) for model in (compiled, plain)]
        apart = _further(apart, *((output, after) for after, output in steps))
    return {"name": name, "graphs": graphs, **apart}


def _further(
    apart: dict[str, float], one: tuple[StepOutput, WorldState], two: tuple[StepOutput, WorldState]
) -> dict[str, float]:
    """The larger of what was found and of what these are apart."""
    pairs = {
        "frames": (one[0].frames.float(), two[0].frames.float()),
        "probability": (one[0].termination_probability, two[0].termination_probability),
        "latents": (one[1].latents, two[1].latents),
    }
    return apart | {name: max(apart[name], float((a - b).abs().max())) for name, (a, b) in pairs.items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

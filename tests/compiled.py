"""Steps worlds with a compiled step beside the plain one, in a process without runtime type checks.

    python -m tests.compiled CHECKPOINT [CHECKPOINT ...]

jaxtyping's checks stand between the tracer and the code. The tracer's own backend stands in for the compiler, which
would take minutes.
"""

import json
import sys

import torch
from torch._dynamo.utils import counters

from wm_gym.compiled_step import compiled_step
from wm_gym.decoder.guidance import Guidance
from wm_gym.world_model import WorldModel

STEPS = 3


def main(folders: list[str]) -> int:
    """Prints, for each checkpoint, how far frames, probabilities and caches are apart at most, and how many graphs."""
    print(json.dumps([compare(folder) for folder in folders]))
    return 0


def compare(folder: str) -> dict[str, float]:
    """Plain steps and compiled ones, a fork, and a guided step."""
    torch.compiler.reset()
    counters.clear()
    plain, compiled = (WorldModel.from_pretrained(folder) for _ in range(2))
    compiled._world_step = compiled_step(compiled.device, backend="eager", fullgraph=True)
    ((_, starts),) = plain.starts.items()
    apart = {"frames": 0.0, "probability": 0.0, "keys": 0.0}
    state = other = plain.reset(starts[:1], seeds=[0]).repeat(2)
    for number in range(STEPS):
        if number == 1:
            state, other = state.select([0]).repeat(2), other.select([0]).repeat(2)  # share one world's memory
        state, expected = plain.step(state, ["go left", "go right"])
        other, output = compiled.step(other, ["go left", "go right"])
        assert list(output.latencies) == ["transition", "step"]
        pairs = {
            "frames": (output.frames.float(), expected.frames.float()),
            "probability": (output.termination_probability, expected.termination_probability),
            "keys": (other.decoder.keys, state.decoder.keys),
        }
        for name, (one, two) in pairs.items():
            apart[name] = max([apart[name], *(one - two).abs().flatten().tolist()])
    graphs = counters["stats"]["unique_graphs"]
    guidance = Guidance(action_scale=2.0)
    (_, expected), (_, output) = (model.step(state, ["go left"] * 2, guidance=guidance) for model in (plain, compiled))
    apart["guided"] = float((output.frames.float() - expected.frames.float()).abs().max())
    return {**apart, "graphs": graphs}


if __name__ == "__main__":
    sys.exit(torch.inference_mode()(main)(sys.argv[1:]))

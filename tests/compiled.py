"""Steps a checkpoint with compiled stages beside the plain ones, in a process without runtime type checks.

    python -m tests.compiled CHECKPOINT

jaxtyping's checks stand between the tracer and the code. The tracer's own backend stands in for the compiler, which
would take minutes.
"""

import json
import sys

import torch

from wm_gym.compiled_stages import compile_stages
from wm_gym.world_model import WorldModel

BATCH, STEPS = 2, 3


def main(folder: str) -> int:
    """Prints how far frames, probabilities and caches are apart, at most; returns the exit status."""
    plain, compiled = (WorldModel.from_pretrained(folder) for _ in range(2))
    compile_stages(compiled.parts(), backend="eager")
    ((_, starts),) = plain.starts.items()
    state = other = plain.reset(starts[:BATCH], seeds=range(BATCH))
    apart = {"frames": 0.0, "probability": 0.0, "keys": 0.0}
    for _ in range(STEPS):
        state, expected = plain.step(state, ["go left"] * BATCH)
        other, output = compiled.step(other, ["go left"] * BATCH)
        assert output.latencies.keys() == expected.latencies.keys()
        pairs = {
            "frames": (output.frames.float(), expected.frames.float()),
            "probability": (output.termination_probability, expected.termination_probability),
            "keys": (other.decoder.keys, state.decoder.keys),
        }
        for name, (one, two) in pairs.items():
            apart[name] = max([apart[name], *(one - two).abs().flatten().tolist()])
    print(json.dumps(apart))
    return 0


if __name__ == "__main__":
    sys.exit(torch.inference_mode()(main)(sys.argv[1]))

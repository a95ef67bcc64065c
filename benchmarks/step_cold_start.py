"""How long it takes from starting Python to a world's first frames, and which packages take it.

Each sample is an interpreter of its own. The first warms the disk's cache and does not count.

    python -m benchmarks.step_cold_start --checkpoint minigrid
"""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

import tyro

from benchmarks.report import write_report
from wm_gym.evaluation.provenance import machine

RESULTS = Path(__file__).parent / "results" / "step_cold_start.json"
PHASES = ("import gymnasium and wm_gym", "import the model", "gym.make", "reset", "first step", "second step")
LINE = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)")
SCRIPT = """
import json, sys, time
clock = time.perf_counter if sys.argv[2] == "wall" else time.process_time
times = [clock()]
import gymnasium as gym
import wm_gym
times.append(clock())
import wm_gym.env
import wm_gym.world_model
times.append(clock())
env = gym.make("wm_gym/World-v0", checkpoint=sys.argv[1])
times.append(clock())
env.reset(seed=0)
times.append(clock())
for _ in range(2):
    env.step("")
    times.append(clock())
print(json.dumps([late - early for early, late in zip(times, times[1:])]))
"""


@dataclass(frozen=True, kw_only=True)
class ColdStartConfig:
    """What to time.

    Attributes:
        checkpoint: A shipped name or a checkpoint folder of one world.
        samples: Interpreters that count, at least 1.
        clock: What is counted: the time that goes by, or, for a busy machine, the processor's time on all threads.
        packages: How many packages to show; 0 leaves them out.
        output: The JSON file.
    """

    checkpoint: str = "minigrid"
    samples: int = 5
    clock: Literal["wall", "processor"] = "wall"
    packages: int = 12
    output: Path = RESULTS


def start(config: ColdStartConfig, *flags: str) -> tuple[list[float], str]:
    """Starts an interpreter; returns the seconds of each phase and what it wrote on stderr."""
    command = [sys.executable, *flags, "-c", SCRIPT, config.checkpoint, config.clock]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
    seconds: list[float] = json.loads(done.stdout.splitlines()[-1])
    return seconds, done.stderr


def import_shares(stderr: str) -> dict[str, float]:
    """Shares of the time of all imports, by package, from what `python -X importtime` writes; the largest first."""
    own: Counter[str] = Counter()
    for microseconds, module in LINE.findall(stderr):
        own[module.partition(".")[0]] += int(microseconds)
    return {package: count / own.total() for package, count in own.most_common()}


def measure(config: ColdStartConfig) -> dict[str, Any]:
    """Starts the interpreters one after the other.

    Returns:
        The results as JSON values.
    """
    _, stderr = start(config, "-X", "importtime")
    samples = [start(config)[0] for _ in range(config.samples)]
    return {
        "checkpoint": config.checkpoint,
        **machine("cpu"),
        "config": {name: value for name, value in asdict(config).items() if name != "output"},
        "seconds": {name: median(times) for name, times in zip(PHASES, zip(*samples, strict=True), strict=True)},
        "to_first_frames": median(sum(times[: PHASES.index("first step")]) for times in samples),
        "import_shares": dict(list(import_shares(stderr).items())[: config.packages]),
    }


def render(results: Mapping[str, Any]) -> str:
    """Returns the results as a table."""
    lines = [f"{name:28}{seconds:8.3f} s" for name, seconds in results["seconds"].items()]
    shares = ", ".join(f"{package} {share:.0%}" for package, share in results["import_shares"].items())
    return "\n".join([*lines, f"{'to the first frames':28}{results['to_first_frames']:8.3f} s", f"imports: {shares}"])


def main(config: ColdStartConfig) -> None:
    """Measures, prints the table and writes the JSON."""
    results = measure(config)
    print(render(results))
    write_report(results, config.output)


if __name__ == "__main__":
    main(tyro.cli(ColdStartConfig, description=__doc__))

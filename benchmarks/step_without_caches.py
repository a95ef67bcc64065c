"""A step of the world model against the same weights without caches, both on one world, in turns, in one process.

The reference is plain diffusers and transformers: at every step the autoencoder, the encoder and the action encoder
read the whole history again, the language model runs over all its rounds in one masked pass, and
`WanTransformer3DModel` with its own attention denoises the chunk. Each timed step of both starts at the same history
and must give the same frames, to one grey level, termination probability and uncertainty, to 1e-4.

    python -m benchmarks.step_without_caches --checkpoint minigrid
    python -m benchmarks.step_without_caches --compiled --output compiled.json    # ours through torch.compile
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from typing import Any, Literal

import torch
import tyro
from jaxtyping import UInt8
from torch import Tensor

from benchmarks.report import turn_ratio, write_report
from benchmarks.step_latency import CLOCKS, first_world, start_frames
from benchmarks.step_plain_model import PlainOutput, PlainWorldModel
from wm_gym.evaluation.provenance import machine
from wm_gym.step_output import StepOutput
from wm_gym.world_model import WorldModel
from wm_gym.world_noise import world_noise
from wm_gym.world_state import WorldState

RESULTS = Path(__file__).parent / "results" / "step_without_caches.json"
TOLERANCE = 1e-4


@dataclass(frozen=True, kw_only=True)
class WithoutCachesConfig:
    """What to time.

    Attributes:
        checkpoint: A shipped name or a checkpoint folder whose decoder sees one chunk and which has no sink rounds.
        rounds: At which rounds to time both; the reference then has a history of as many rounds. An episode up to the
            last of them is timed as a whole too.
        repeats: How often both take turns at each of them, after one turn that is not timed.
        clock: What is counted: the time that goes by, or, for a busy machine, the processor's time on all threads.
        threads: Threads of torch; None leaves its own choice.
        compiled: Whether our step runs through `torch.compile`; the reference never does.
        output: The JSON file.
    """

    checkpoint: str = "minigrid"
    rounds: tuple[int, ...] = (7, 16, 64)
    repeats: int = 20
    clock: Literal["wall", "processor"] = "wall"
    threads: int | None = None
    compiled: bool = False
    output: Path = RESULTS


@dataclass(frozen=True)
class Moment:
    """A world before a step, and all that led there.

    Attributes:
        state: the world.
        frames: every observation so far, the state's included.
        texts: the action of every round; the last is the step's.
    """

    state: WorldState
    frames: UInt8[Tensor, "rounds frames height width 3"]
    texts: tuple[str, ...]

    def last(self, rounds: int) -> "Moment":
        """The same world with a history of `rounds` rounds."""
        return Moment(self.state, self.frames[-rounds:], self.texts[-rounds:])


def play(model: WorldModel) -> Iterator[Moment]:
    """Yields the moments of an endless episode, the actions of the world in turn."""
    state = model.reset(start_frames(model, 1), seeds=[0])
    meanings = model.card.worlds[first_world(model)].action_phrases.values()
    frames, texts = [state.frames[0]], []
    for text in cycle([phrase for phrases in zip(*meanings, strict=False) for phrase in phrases]):
        texts.append(text)
        yield Moment(state, torch.stack(frames), tuple(texts))
        state, output = model.step(state, [text])
        frames.append(output.frames[0])


def difference(ours: StepOutput, plain: PlainOutput) -> float:
    """The largest difference of the outputs; frames count as pixels in [0, 1], where one grey level is rounding.

    Raises:
        ValueError: it is above 1e-4.
    """
    levels = int((ours.frames.int() - plain.frames.int()).abs().max())
    numbers = ("termination_probability", "uncertainty")
    apart = max(float((getattr(ours, name) - getattr(plain, name)).abs().max()) for name in numbers)
    if levels > 1 or apart > TOLERANCE:
        raise ValueError(f"outputs must differ by at most {TOLERANCE} and one grey level, got {apart} and {levels}")
    return apart


def time_both(
    model: WorldModel, plain: PlainWorldModel, moment: Moment, clock: Callable[[], float]
) -> tuple[float, float, float]:
    """Takes a step of both from one moment.

    Returns:
        Milliseconds of ours and of the reference, and the largest difference of their outputs.
    """
    shape = (model.card.chunk_frames, *moment.state.latents.shape[2:])
    begin = clock()
    _, ours = model.step(moment.state, [moment.texts[-1]])
    between = clock()
    noise = model.card.temperature * world_noise(moment.state, shape)
    reference = plain.step(moment.frames, moment.texts, noise)
    end = clock()
    return 1000 * (between - begin), 1000 * (end - between), difference(ours, reference)


def time_round(
    model: WorldModel, plain: PlainWorldModel, moment: Moment, *, repeats: int, clock: Callable[[], float]
) -> dict[str, Any]:
    """Times a round of both `repeats` times, in turns; the first turn is not timed.

    Returns:
        The medians in milliseconds, the median of the turns' ratios with its quartiles, and the largest difference as
        JSON values.
    """
    turns = [time_both(model, plain, moment, clock) for _ in range(repeats + 1)]
    ours, reference, apart = zip(*turns, strict=True)
    speedup, quartiles = turn_ratio(reference[1:], ours[1:])
    return {
        "round": int(moment.state.rounds[0]) + 1,
        "history_rounds": len(moment.texts),
        "ours_ms": median(ours[1:]),
        "plain_ms": median(reference[1:]),
        "speedup": speedup,
        "speedup_quartiles": quartiles,
        "largest_difference": max(apart),
    }


def time_episode(
    model: WorldModel, plain: PlainWorldModel, moments: Sequence[Moment], clock: Callable[[], float]
) -> dict[str, Any]:
    """Times every round of an episode once.

    Returns:
        The sums in milliseconds, their ratio and the largest difference as JSON values.
    """
    ours, reference, apart = zip(*(time_both(model, plain, moment, clock) for moment in moments), strict=True)
    return {
        "rounds": len(moments),
        "ours_ms": sum(ours),
        "plain_ms": sum(reference),
        "speedup": sum(reference) / sum(ours),
        "largest_difference": max(apart),
    }


def measure(config: WithoutCachesConfig) -> dict[str, Any]:
    """Times both at each round, with as little history as gives the same outputs and with all of it; then all rounds.

    Returns:
        The results as JSON values.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    model = WorldModel.from_pretrained(config.checkpoint, compiled=config.compiled)
    plain = PlainWorldModel(model)
    clock = CLOCKS[config.clock]
    cases = []
    moments = list(islice(play(model), max(config.rounds)))
    for moment in (moments[number - 1] for number in config.rounds):
        for rounds in sorted({min(plain.receptive_rounds, len(moment.texts)), len(moment.texts)}):
            cases.append(time_round(model, plain, moment.last(rounds), repeats=config.repeats, clock=clock))
    return {
        "checkpoint": config.checkpoint,
        "weights_hash": model.card.weights_hash,
        **machine("cpu"),
        "config": {name: value for name, value in asdict(config).items() if name != "output"},
        "cases": cases,
        "episode": time_episode(model, plain, moments, clock),
    }


def render(results: Mapping[str, Any]) -> str:
    """Returns the results as a table."""
    lines = [f"{'round':>5}{'history':>9}{'ours ms':>9}{'plain ms':>10}{'speedup':>9}{'difference':>12}"]
    for case in results["cases"]:
        lines.append(
            f"{case['round']:5}{case['history_rounds']:9}{case['ours_ms']:9.2f}{case['plain_ms']:10.2f}"
            f"{case['speedup']:8.1f}x{case['largest_difference']:12.1e}"
        )
    episode = results["episode"]
    lines.append(
        f"all {episode['rounds']} rounds of an episode: {episode['ours_ms'] / 1000:.2f} s against "
        f"{episode['plain_ms'] / 1000:.2f} s, {episode['speedup']:.1f}x"
    )
    return "\n".join(lines)


def main(config: WithoutCachesConfig) -> None:
    """Measures, prints the table and writes the JSON."""
    results = measure(config)
    print(render(results))
    write_report(results, config.output)


if __name__ == "__main__":
    main(tyro.cli(WithoutCachesConfig, description=__doc__))

"""What a step gains on the CPU by each way to run the same weights, and what that does to its outputs.

All ways step the same states in turns; the first is the default, which the others are compared with.

    python -m benchmarks.step_options --checkpoint minigrid
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import tyro
from torch import nn

from benchmarks.report import write_report
from benchmarks.step_latency import CLOCKS, first_world, start_frames
from wm_gym.evaluation.provenance import machine
from wm_gym.step_output import StepOutput
from wm_gym.world_model import WorldModel
from wm_gym.world_state import WorldState

RESULTS = Path(__file__).parent / "results" / "step_options.json"
DEFAULT = "default"
VISIBLE = 8  # grey levels by which a pixel is seen to differ

Way = Literal["compiled", "int8", "bfloat16", "channels_last", "one thread"]


@dataclass(frozen=True, kw_only=True)
class StepOptionsConfig:
    """What to time.

    Attributes:
        checkpoint: A shipped name or a checkpoint folder.
        ways: What to compare with the default.
        batches: Batch sizes; compiling takes a minute or two for the first and again for the second.
        repeats: How often all ways take turns at each batch size, after one turn that is not timed.
        clock: What is counted: the time that goes by, or, for a busy machine, the processor's time on all threads.
        threads: Threads of torch; None leaves its own choice.
        output: The JSON file.
    """

    checkpoint: str = "minigrid"
    ways: tuple[Way, ...] = ("compiled", "int8", "bfloat16", "channels_last", "one thread")
    batches: tuple[int, ...] = (1, 16, 64)
    repeats: int = 20
    clock: Literal["wall", "processor"] = "wall"
    threads: int | None = None
    output: Path = RESULTS


@dataclass(kw_only=True)
class Variant:
    """The weights, run in one way.

    Attributes:
        name: The way.
        model: The world model.
        context: What its steps run under.
        milliseconds: Of each step at the present batch size.
        visible: Share of the pixels that visibly differ from the default's, of each step.
        probability: Largest difference of the termination's probability, of each step.
    """

    name: str
    model: WorldModel
    context: Callable[[], AbstractContextManager[Any]] = nullcontext
    milliseconds: list[float] = field(default_factory=list)
    visible: list[float] = field(default_factory=list)
    probability: list[float] = field(default_factory=list)

    def clear(self) -> None:
        """Forgets what was measured."""
        for values in (self.milliseconds, self.visible, self.probability):
            values.clear()

    def compare(self, output: StepOutput, reference: StepOutput) -> None:
        """Keeps how far a step's output is from the default's."""
        levels = (output.frames.int() - reference.frames.int()).abs().amax(dim=-1)
        self.visible.append(float((levels > VISIBLE).float().mean()))
        apart = output.termination_probability - reference.termination_probability
        self.probability.append(float(apart.abs().max()))


def build_variant(name: str, checkpoint: str) -> Variant:
    """Loads the checkpoint anew and prepares it for one way."""
    model = WorldModel.from_pretrained(checkpoint)
    match name:
        case "compiled":
            model = WorldModel.from_pretrained(checkpoint, compiled=True)
        case "int8":
            quantize_linears(model)
        case "bfloat16":
            return Variant(name=name, model=model, context=half_precision)
        case "channels_last":
            for part in (model.autoencoder, model.encoder):
                part.to(memory_format=torch.channels_last)
        case "one thread":
            return Variant(name=name, model=model, context=one_thread)
    return Variant(name=name, model=model)


def quantize_linears(model: WorldModel) -> None:
    """Rounds the linear layers of the blocks of transition and decoder to int8, their inputs as they come."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated for torchao, which breaks diffusers' import
        for part in (model.transition.backbone, model.decoder.transformer.blocks):
            torch.ao.quantization.quantize_dynamic(part, {nn.Linear}, dtype=torch.qint8, inplace=True)


@contextmanager
def half_precision() -> Iterator[None]:
    """Runs the block with matrix products in bfloat16."""
    with warnings.catch_warnings(), torch.autocast("cpu", torch.bfloat16):
        warnings.filterwarnings("ignore", "Mismatch dtype between input and weight")  # norms keep their float32 weights
        yield


@contextmanager
def one_thread() -> Iterator[None]:
    """Runs the block on one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def take_turns(variants: Sequence[Variant], *, batch: int, repeats: int, clock: Callable[[], float]) -> None:
    """Steps the same states in every way, one after the other; the default's step leads on."""
    model = variants[0].model
    phrases = model.card.worlds[first_world(model)].action_phrases.values()
    texts = cycle([phrase for each in zip(*phrases, strict=False) for phrase in each])
    state: WorldState = model.reset(start_frames(model, batch), seeds=range(batch))
    for variant in variants:
        variant.clear()
        variant.model.check_state(state)  # learns the state's dtypes before the context changes them
    for turn in range(repeats + 1):
        actions = [next(texts) for _ in range(batch)]
        outputs = []
        for variant in variants:
            begin = clock()
            with variant.context():
                outputs.append(variant.model.step(state, actions))
            if turn:
                variant.milliseconds.append(1000 * (clock() - begin))
                variant.compare(outputs[-1][1], outputs[0][1])
        state = outputs[0][0]


def summarise(variants: Sequence[Variant], batch: int) -> list[dict[str, Any]]:
    """Returns a row a way: milliseconds, how many times faster than the default, and how far apart the outputs are."""
    default = float(np.median(variants[0].milliseconds))
    return [
        {
            "way": variant.name,
            "batch": batch,
            "median_ms": float(np.median(variant.milliseconds)),
            "p95_ms": float(np.quantile(variant.milliseconds, 0.95)),
            "speedup": default / float(np.median(variant.milliseconds)),
            "visibly_other_pixels": float(np.mean(variant.visible)),
            "largest_probability_difference": max(variant.probability),
        }
        for variant in variants
    ]


def measure(config: StepOptionsConfig) -> dict[str, Any]:
    """Times every way at every batch size.

    Returns:
        The results as JSON values.
    """
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    variants = [build_variant(name, config.checkpoint) for name in (DEFAULT, *config.ways)]
    cases = []
    for batch in config.batches:
        take_turns(variants, batch=batch, repeats=config.repeats, clock=CLOCKS[config.clock])
        cases += summarise(variants, batch)
    return {
        "checkpoint": config.checkpoint,
        "weights_hash": variants[0].model.card.weights_hash,
        **machine("cpu"),
        "config": {name: value for name, value in asdict(config).items() if name != "output"},
        "cases": cases,
    }


def render(results: Mapping[str, Any]) -> str:
    """Returns the results as a table."""
    lines = [
        f"{'way':16}{'batch':>6}{'median ms':>11}{'p95 ms':>9}{'speedup':>9}{'other pixels':>14}{'probability':>13}"
    ]
    for case in results["cases"]:
        lines.append(
            f"{case['way']:16}{case['batch']:6}{case['median_ms']:11.2f}{case['p95_ms']:9.2f}{case['speedup']:8.2f}x"
            f"{case['visibly_other_pixels']:14.1e}{case['largest_probability_difference']:13.1e}"
        )
    return "\n".join(lines)


def main(config: StepOptionsConfig) -> None:
    """Measures, prints the table and writes the JSON."""
    results = measure(config)
    print(render(results))
    write_report(results, config.output)


if __name__ == "__main__":
    main(tyro.cli(StepOptionsConfig, description=__doc__))

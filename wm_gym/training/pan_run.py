"""What a training at PAN's scale takes, counted from its sizes: memory on every GPU, parallelism, throughput.

The training is PAN's second stage (arXiv 2511.09057, section 3.4): queries and decoder learn, the vision-language model
is frozen, and latents and texts are computed before. Nothing is run and no weight is loaded.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated

from tyro.conf import Suppress

from wm_gym.pan.config import PanConfig
from wm_gym.training.dry_run import NUM_TRAINED_COPIES
from wm_gym.training.pan_counts import QwenSize, WanSize

FLOAT32, BFLOAT16 = 4, 2  # bytes
TEMPLATE_TOKENS = 12  # of a round's template in Qwen's tokens
CELL = 16  # pixels a side of a token of Wan: the autoencoder's 8 times the patch's 2
QWEN_CELL = 28


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The machines, and what they are taken to reach; the defaults are H200s.

    Attributes:
        num_gpus: GPUs in all.
        sequence_parallel: GPUs that share one sample's tokens (Ulysses); divides `num_gpus`.
        gpu_bytes: memory of a GPU.
        peak_operations: a second, dense bfloat16 matrix products; 989e12 is the data sheet's figure.
        utilization: share of the peak that a training reaches; 0.4 is an assumption.
        link_bytes: a second and GPU, between machines; 50e9 is a 400 Gb/s adapter for each.

    Raises:
        ValueError: when a number is out of its range.
    """

    num_gpus: Annotated[int, Suppress] = 64
    sequence_parallel: int = 4
    gpu_bytes: int = 141 * 10**9
    peak_operations: float = 989e12
    utilization: float = 0.4
    link_bytes: float = 50e9

    def __post_init__(self) -> None:
        if self.sequence_parallel < 1:
            raise ValueError(f"sequence_parallel must be at least 1, got {self.sequence_parallel}")
        if not 0 < self.utilization <= 1:
            raise ValueError(f"utilization must be in (0, 1], got {self.utilization}")


@dataclass(frozen=True, kw_only=True)
class PanRun:
    """A training at PAN's scale on a cluster, one sample of `config.window_chunks` chunks for each group of GPUs.

    Attributes:
        config: the world model's sizes.
        wan: the decoder's.
        qwen: the encoder's and the transition's.
        cluster: where it runs.

    Raises:
        ValueError: when the cluster's GPUs cannot be grouped by `sequence_parallel`.
    """

    config: PanConfig = field(default_factory=PanConfig)
    wan: WanSize = field(default_factory=WanSize)
    qwen: QwenSize = field(default_factory=QwenSize)
    cluster: Cluster = field(default_factory=Cluster)

    def __post_init__(self) -> None:
        num_gpus, group = self.cluster.num_gpus, self.cluster.sequence_parallel
        if num_gpus < 1 or num_gpus % group:
            raise ValueError(f"num_gpus must be a multiple of sequence_parallel ({group}), got {num_gpus}")

    @property
    def num_trained(self) -> int:
        """Parameters that learn: the decoder, its stream, the queries."""
        queries = self.config.num_state_tokens * self.qwen.width
        return self.wan.num_parameters + self.wan.stream_parameters + queries

    @property
    def num_frozen(self) -> int:
        """Parameters that stay, but take part in every step."""
        return self.qwen.language_parameters + self.qwen.vision_parameters

    @property
    def chunk_tokens(self) -> int:
        """The decoder's tokens of a chunk."""
        height, width = self.config.frame_size
        return self.config.chunk_latents * (height // CELL) * (width // CELL)

    @property
    def observation_tokens(self) -> int:
        """The encoder's tokens of a chunk; two frames make one layer of tokens."""
        cells = [max(1, round(pixels / QWEN_CELL)) for pixels in self.config.frame_size]
        return self.config.observed_frames // 2 * cells[0] * cells[1]

    @property
    def dialogue_tokens(self) -> int:
        """The transition's tokens of a sample: the history and the round that is predicted."""
        config = self.config
        states = 2 * config.num_state_tokens  # of the last round, and the queries
        return (config.history_rounds + 1) * (
            states + self.observation_tokens + config.max_action_tokens + TEMPLATE_TOKENS
        )

    def memory(self) -> dict[str, float]:
        """Bytes on one GPU, by what they are for; what a layer of the language model keeps is an estimate."""
        cluster, wan = self.cluster, self.wan
        tokens = self.config.window_chunks * self.chunk_tokens / cluster.sequence_parallel
        dialogue = self.dialogue_tokens / cluster.sequence_parallel
        decoder = tokens * (wan.num_layers * wan.width + wan.saved_numbers)
        language = dialogue * (self.qwen.num_layers * self.qwen.width + 8 * self.qwen.width + 4 * self.qwen.ffn_width)
        block = wan.block_parameters + wan.stream_parameters // wan.num_layers
        counts = {
            "weights, float32, in shards": FLOAT32 * self.num_trained / cluster.num_gpus,
            "gradients, AdamW's two moments and averages, in shards": (
                (NUM_TRAINED_COPIES - 1) * FLOAT32 * self.num_trained / cluster.num_gpus
            ),
            "two blocks gathered, and the gradient of one": 3 * FLOAT32 * block,
            "the frozen vision-language model, bfloat16, whole": BFLOAT16 * self.num_frozen,
            "activations, bfloat16, one input kept a block": BFLOAT16 * (decoder + language),
        }
        return {name: float(count) for name, count in counts.items()}

    def operations(self) -> dict[str, int]:
        """Of one sample, by network: forward, forward again (checkpointed blocks) and backward."""
        config = self.config
        decoder = self.wan.forward_operations(
            num_chunks=config.window_chunks,
            chunk_tokens=self.chunk_tokens,
            text_tokens=config.num_text_tokens,
            state_tokens=config.num_state_tokens,
        )
        return {
            "decoder: 4 forward passes' worth": 4 * decoder,
            "transition: 3, as its weights need no gradient": 3 * self.qwen.language_operations(self.dialogue_tokens),
            "encoder: 1": self.qwen.vision_operations(self.observation_tokens * (config.history_rounds + 1)),
        }

    @property
    def compute_seconds(self) -> float:
        """Of one step, all groups at once."""
        cluster = self.cluster
        return sum(self.operations().values()) / (
            cluster.sequence_parallel * cluster.peak_operations * cluster.utilization
        )

    @property
    def link_seconds(self) -> float:
        """Of one step: weights are gathered twice and gradients scattered once; at best behind the computation."""
        share = (self.cluster.num_gpus - 1) / self.cluster.num_gpus
        return 3 * FLOAT32 * self.num_trained * share / self.cluster.link_bytes

    @property
    def samples_per_second(self) -> float:
        """Of the whole cluster, where the longer of computation and links decides."""
        groups = self.cluster.num_gpus // self.cluster.sequence_parallel
        return groups / max(self.compute_seconds, self.link_seconds)


@dataclass(frozen=True, kw_only=True)
class PlanPanRun:
    """Say what a training at PAN's scale takes on GPUs: memory, parallelism, throughput; nothing is run.

    Attributes:
        num_gpus: clusters to compare, by their number of GPUs.
        cluster: what else they are.
    """

    num_gpus: tuple[int, ...] = (8, 64, 960)
    cluster: Cluster = field(default_factory=Cluster)

    def page(self) -> str:
        """The counts as Markdown."""
        return page(PanRun(), [replace(self.cluster, num_gpus=count) for count in self.num_gpus])


def page(run: PanRun, sizes: Sequence[Cluster]) -> str:
    """The counts of a training on clusters of several sizes, as Markdown."""
    runs = [PanRun(config=run.config, wan=run.wan, qwen=run.qwen, cluster=cluster) for cluster in sizes]
    height, width = run.config.frame_size
    lines = [
        f"A sample is {run.config.window_chunks} chunks of {run.config.chunk_frames} frames of {height}x{width} "
        f"pixels: {run.config.window_chunks * run.chunk_tokens:,} tokens of the decoder, {run.dialogue_tokens:,} of "
        "the transition.",
        "",
        f"Trained: {run.num_trained / 1e9:.2f} billion parameters (Wan2.1 {run.wan.num_parameters / 1e9:.2f}, PAN's "
        f"stream {run.wan.stream_parameters / 1e9:.2f}). Frozen: {run.num_frozen / 1e9:.2f} billion.",
        "",
        "| operations of a sample | 1e12 |",
        "|---|---|",
        *(f"| {name} | {count / 1e12:,.0f} |" for name, count in run.operations().items()),
        "",
        "| GB on a GPU | " + " | ".join(f"{each.cluster.num_gpus} GPUs" for each in runs) + " |",
        "|---|" + "---|" * len(runs),
    ]
    memories = [each.memory() for each in runs]
    for name in memories[0]:
        lines.append(f"| {name} | " + " | ".join(f"{memory[name] / 1e9:.1f}" for memory in memories) + " |")
    rows = {
        "in all": [f"{sum(memory.values()) / 1e9:.1f}" for memory in memories],
        "fits": ["yes" if sum(memory.values()) < each.cluster.gpu_bytes else "no" for each, memory in _both(runs)],
        "samples at once": [str(each.cluster.num_gpus // each.cluster.sequence_parallel) for each in runs],
        "seconds a step, computation": [f"{each.compute_seconds:.1f}" for each in runs],
        "seconds a step, links": [f"{each.link_seconds:.1f}" for each in runs],
        "samples a second, at most": [f"{each.samples_per_second:.2f}" for each in runs],
    }
    return "\n".join([*lines, *(f"| {name} | " + " | ".join(cells) + " |" for name, cells in rows.items())])


def _both(runs: Sequence[PanRun]) -> list[tuple[PanRun, dict[str, float]]]:
    return [(run, run.memory()) for run in runs]

"""What the world model's loss depends on."""

from dataclasses import asdict, dataclass, field
from typing import Literal, TypeAlias, get_args

from wm_gym.decoder.chunk_sampler import ChunkSampling
from wm_gym.decoder.swin_config import SwinConfig

TrainedPart: TypeAlias = Literal["encoder", "action_encoder", "transition", "heads", "decoder"]


@dataclass(frozen=True, kw_only=True)
class WorldModelStageConfig:
    """What the world model's loss depends on.

    Attributes:
        batch_size: segments a batch, a multiple of the number of worlds.
        num_rounds: rounds a segment, at most the transition's history_rounds + 1.
        event_fraction: share of segments drawn around a reward or a termination, which may stand in any round.
        still_fraction: share of segments that begin at a still picture, as a world that starts from an image does.
        history_noise: largest standard deviation of the noise on the latents given as history.
        changed_weight: extra weight of a latent cell that the step changes, or that the model believes it changes.
        changed_threshold: root-mean-square difference from which a cell counts as changed.
        head_weight: weight of the reward's and the termination's cross-entropy.
        recall_weight: weight of how far what memory shows is from what comes, for models with memory.
        rollout_fraction: share of the iterations whose history is the model's own.
        rollout_tolerance: root-mean-square difference of a latent cell up to which a dreamt state counts as true.
        action_dropout: share of the rounds whose action is left unknown, for guidance on the action.
        state_dropout: share of the rounds that the decoder draws without a latent state, for guidance on the state.
        recycled_fraction: share of the history's chunks in whose place the model's own answer to the true history
            stands, while the next chunk stays the true one: error recycling.
        diffusion_forcing: a noise level of its own for each chunk of the history, rather than one for all, and for each
            chunk of a window, rather than staggered ones. (The chunks of a segment always have their own.)
        trained_parts: which parts learn, where not all do: ("decoder",) is PAN's first stage, ("heads",) gives a world
            another reward, and without "transition" the language model stays as it is.
        sampling: what the decoder is trained to be sampled by, "autoregressive" or "swin"; by default as before.
        swin: the window of "swin".
        window_stride: rounds from one window to the next, beginning anywhere. 2 shows each chunk once; 1 shows it as
            first and as second chunk, at twice the cost.
    """

    batch_size: int = 16
    num_rounds: int = 4
    event_fraction: float = 0.1
    still_fraction: float = 0.1
    history_noise: float = 0.3
    changed_weight: float = 10.0
    changed_threshold: float = 0.1
    head_weight: float = 0.05
    recall_weight: float = 1.0
    rollout_fraction: float = 0.0
    rollout_tolerance: float = 0.2
    action_dropout: float = 0.0
    state_dropout: float = 0.0
    recycled_fraction: float = 0.0
    diffusion_forcing: bool = False
    trained_parts: tuple[TrainedPart, ...] | None = None
    sampling: ChunkSampling | None = None
    swin: SwinConfig = field(default_factory=SwinConfig)
    window_stride: int = 2

    def __post_init__(self) -> None:
        """Check the ranges of what would train on something else without a word."""
        if self.window_stride < 1:
            raise ValueError(f"window_stride must be at least 1, got {self.window_stride}")
        if self.trained_parts is not None and not self.trained_parts:
            names = ", ".join(get_args(TrainedPart))
            raise ValueError(f"trained_parts must name at least one of {names}, got none; leave it out to train all")
        for name in ("action_dropout", "state_dropout", "recycled_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}")

    def describe(self, has_memory: bool) -> dict[str, object]:
        """What a resume must keep; a later option is named only where it is used, so that older trainings go on."""
        given, plain = asdict(self), asdict(WorldModelStageConfig())
        dropouts, windows = ("action_dropout", "state_dropout"), ("sampling", "swin", "window_stride")
        later = (*dropouts, *windows, "recycled_fraction", "diffusion_forcing", "trained_parts")
        kept = {name: value for name, value in given.items() if name not in later or value != plain[name]}
        if not has_memory:
            del kept["recall_weight"]
        return kept

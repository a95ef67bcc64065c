"""What a training would take, found by its first two iterations: weights, memory, time. Nothing is written."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks

from wm_gym.data.mixture import MixtureSampler
from wm_gym.data.segments import SegmentSampler
from wm_gym.training.loop import LoopConfig, Stage, time_iterations

NUM_TRAINED_COPIES = 5  # a trained weight, its gradient, AdamW's two moments, its average


@dataclass(frozen=True, kw_only=True)
class TrainingPlan:
    """What one training would take.

    Attributes:
        name: what is trained.
        num_trained: numbers that are trained.
        num_frozen: numbers that stay as they are.
        weight_bytes: weights, gradients, moments and averages.
        activation_bytes: what one iteration keeps for its backward pass.
        data_bytes: decoded episodes that the sampler keeps in RAM, at most.
        num_iterations: iterations in all.
        seconds_per_iteration: measured on the second one; the first also reads data.
    """

    name: str
    num_trained: int
    num_frozen: int
    weight_bytes: int
    activation_bytes: int
    data_bytes: int
    num_iterations: int
    seconds_per_iteration: float

    @property
    def memory_bytes(self) -> int:
        """An estimate of the memory, without Python and its libraries."""
        return self.weight_bytes + self.activation_bytes + self.data_bytes

    @property
    def seconds(self) -> float:
        """How long it would take."""
        return self.num_iterations * self.seconds_per_iteration

    def __str__(self) -> str:
        """One line for a person."""
        return (
            f"{self.name}: {self.num_trained:,} parameters trained, {self.num_frozen:,} frozen; about "
            f"{_megabytes(self.memory_bytes)} of memory (weights and optimizer {_megabytes(self.weight_bytes)}, "
            f"activations {_megabytes(self.activation_bytes)}, data {_megabytes(self.data_bytes)}); "
            f"{self.num_iterations:,} iterations of {self.seconds_per_iteration:.3g} s, "
            f"{self.seconds / 60:.1f} minutes in all"
        )


def plan_training(name: str, stage: Stage, sampler: MixtureSampler, config: LoopConfig) -> TrainingPlan:
    """Do three iterations and say what the whole training would take; the stage's weights change."""
    saved = _SavedTensors(stage.module)
    with saved_tensors_hooks(saved.pack, lambda tensor: tensor):
        time_iterations(stage, config, 1)
    seconds = time_iterations(stage, config, 2)[-1]  # whose batch was drawn ahead, as in a training
    parameters = list(stage.module.parameters())
    trained = [parameter for parameter in parameters if parameter.requires_grad]
    frozen = [parameter for parameter in parameters if not parameter.requires_grad]
    return TrainingPlan(
        name=name,
        num_trained=sum(parameter.numel() for parameter in trained),
        num_frozen=sum(parameter.numel() for parameter in frozen),
        weight_bytes=NUM_TRAINED_COPIES * _num_bytes(trained) + _num_bytes(chain(frozen, stage.module.buffers())),
        activation_bytes=saved.num_bytes,
        data_bytes=sum(map(_decoded_bytes, sampler.samplers)),
        num_iterations=config.num_iterations,
        seconds_per_iteration=seconds,
    )


class _SavedTensors:
    """Counts the memory that autograd keeps for a backward pass, weights left out.

    Attributes:
        num_bytes: counted so far.
    """

    def __init__(self, module: nn.Module) -> None:
        self.num_bytes = 0
        self._seen = {parameter.untyped_storage().data_ptr() for parameter in module.parameters()}

    def pack(self, tensor: Tensor) -> Tensor:
        """Count a tensor's memory once; autograd keeps it alive until the backward pass."""
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in self._seen:
            self._seen.add(storage.data_ptr())
            self.num_bytes += storage.nbytes()
        return tensor.detach()


def _decoded_bytes(sampler: SegmentSampler) -> int:
    """Frames of all episodes, or as many as the sampler keeps."""
    dataset = sampler.dataset
    height, width = dataset.manifest.frame_size
    num_frames = (dataset.num_steps + len(dataset)) * dataset.manifest.chunk_frames
    return min(3 * height * width * num_frames, sampler.cache_bytes)


def _num_bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.0f} MB"

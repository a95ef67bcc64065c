"""An inverse-dynamics classifier: which action was it, from the frames before and while it was held.

It learns from real frames alone and is then shown dreamed ones. Dreams are a little soft, so in training some clips are
blurred and all get a little noise; the held-out real frames that it is checked on are left as they are.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn import functional as F

from wm_gym.data.durable_writes import write_whole
from wm_gym.evaluation.probes import Cases, Vocabulary

PAST_FRAMES = 2  # of the clip before the action: they show how things move already
WIDTHS = (32, 48, 64, 96)  # channels of the convolutions, each of which halves the picture
HIDDEN = 128
BATCH_SIZE = 48
LEARNING_RATE = 2e-3
NOISE = 6.0  # largest standard deviation of the noise, in 8-bit levels
BLUR_SHARE = 0.3


class InverseDynamics(nn.Module):
    """A small convolutional network over all frames at once, stacked on channels.

    Attributes:
        vocabulary: the actions that it tells apart.
    """

    def __init__(self, vocabulary: Vocabulary, frame_size: tuple[int, int]) -> None:
        """Builds it with fresh weights."""
        super().__init__()
        self.vocabulary = vocabulary
        channels = 3 * (PAST_FRAMES + 2 * vocabulary.num_steps)
        layers: list[nn.Module] = []
        for width in WIDTHS:
            layers += [nn.Conv2d(channels, width, 3, stride=2, padding=1), nn.GroupNorm(8, width), nn.SiLU()]
            channels = width
        rows, columns = (-(-side // 2 ** len(WIDTHS)) for side in frame_size)
        self.features = nn.Sequential(*layers, nn.Flatten())
        self.classes = nn.Sequential(
            nn.Linear(channels * rows * columns, HIDDEN), nn.SiLU(), nn.Linear(HIDDEN, len(vocabulary.names))
        )

    def forward(self, frames: Float[Tensor, "batch time 3 height width"]) -> Float[Tensor, "batch classes"]:
        """Logits of the actions; the frames are in [0, 1], those before the action first."""
        after = frames[:, PAST_FRAMES:]
        changes = after - frames[:, PAST_FRAMES - 1 : PAST_FRAMES]  # what is still cancels out
        logits: Tensor = self.classes(self.features(torch.cat([frames, 4 * changes], dim=1).flatten(1, 2)))
        return logits

    @torch.inference_mode()
    def predict(
        self,
        clips: UInt8[np.ndarray, "batch clip height width channel"],
        outcomes: UInt8[np.ndarray, "batch steps height width channel"],
    ) -> Int[np.ndarray, " batch"]:
        """The number of the likeliest action, by the frames before and after."""
        batches = [
            self(_scaled(_stacked(clips[first : first + 256], outcomes[first : first + 256]))).argmax(1).numpy()
            for first in range(0, len(clips), 256)
        ]
        return np.concatenate(batches)

    def save(self, path: Path, source: str) -> None:
        """Writes the weights, and what they were trained on."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, save(dict(self.state_dict()), {"source": source}))

    @classmethod
    def load(
        cls, path: Path, vocabulary: Vocabulary, frame_size: tuple[int, int], source: str
    ) -> "InverseDynamics | None":
        """Reads what `save` wrote; None where there is nothing, or something trained on other probes."""
        try:
            with safe_open(path, framework="pt") as file:
                if (file.metadata() or {}).get("source") != source:
                    return None
                weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
        except (FileNotFoundError, SafetensorError):
            return None
        classifier = cls(vocabulary, frame_size)
        classifier.load_state_dict(weights)
        return classifier.eval()


def train_inverse_dynamics(
    cases: Cases, *, num_iterations: int, seed: int = 0, on_iteration: Callable[[], object] = int
) -> InverseDynamics:
    """Trains a classifier; actions with few cases are drawn as often as the others.

    Args:
        cases: Real frames and their actions.
        num_iterations: Batches to learn from.
        seed: Of the weights and of the batches.
        on_iteration: Called after each.

    Returns:
        The classifier, in evaluation mode.
    """
    frames = torch.from_numpy(_stacked(cases.clips, cases.outcomes))
    height, width = frames.shape[2:4]
    labels = torch.from_numpy(cases.labels)
    weights = 1.0 / torch.bincount(labels, minlength=len(cases.vocabulary.names)).clamp(min=1)[labels]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classifier = InverseDynamics(cases.vocabulary, (height, width)).train()
        soften = _Softener((height, width))
        optimizer = torch.optim.AdamW(classifier.parameters(), weight_decay=0.05)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=num_iterations)
        for _ in range(num_iterations):
            rows = torch.multinomial(weights, BATCH_SIZE, replacement=True)
            loss = F.cross_entropy(classifier(soften(_scaled(frames[rows].numpy()))), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            on_iteration()
    return classifier.eval()


def source_of(cases: Cases, num_iterations: int) -> str:
    """What tells a training from another one, as a JSON text."""
    vocabulary = cases.vocabulary
    facts: dict[str, Any] = {
        "names": vocabulary.names,
        "num_steps": vocabulary.num_steps,
        "cases": len(cases.labels),
        "mean": float(cases.outcomes.mean()),
        "num_iterations": num_iterations,
    }
    return json.dumps(facts)


def _stacked(
    clips: UInt8[np.ndarray, "batch clip height width channel"],
    outcomes: UInt8[np.ndarray, "batch steps height width channel"],
) -> UInt8[np.ndarray, "batch time height width channel"]:
    return np.concatenate([clips[:, -PAST_FRAMES:], outcomes], axis=1)


def _scaled(frames: UInt8[np.ndarray, "batch time height width 3"]) -> Float[Tensor, "batch time 3 height width"]:
    return torch.from_numpy(frames).movedim(-1, 2).float() / 255


class _Softener:
    """Makes real frames as soft as dreams: blurs the frames after some actions, and adds noise to all."""

    def __init__(self, frame_size: tuple[int, int]) -> None:
        self._noise = NOISE / 255 * torch.randn(64, 3, *frame_size)  # drawing it afresh would take most of the time

    def __call__(
        self, frames: Float[Tensor, "batch time 3 height width"]
    ) -> Float[Tensor, "batch time 3 height width"]:
        batch, time = frames.shape[:2]
        soft = frames.contiguous()
        chosen = (torch.rand(batch) < BLUR_SHARE).nonzero()[:, 0]
        after = soft[chosen, PAST_FRAMES:]
        blurred = F.avg_pool2d(after.flatten(0, 1), 3, stride=1, padding=1, count_include_pad=False).view_as(after)
        soft[chosen, PAST_FRAMES:] = torch.lerp(after, blurred, torch.rand(len(chosen), 1, 1, 1, 1))
        noise = self._noise[torch.randint(len(self._noise), (batch, time))]
        return torch.addcmul(soft, noise, torch.rand(batch, 1, 1, 1, 1))

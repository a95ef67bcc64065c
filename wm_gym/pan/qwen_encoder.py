"""The encoder h at PAN's scale: Qwen2.5-VL's vision tower over frames of a chunk."""

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VisionTransformerPretrainedModel
from transformers.utils.constants import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD


class QwenEncoder(nn.Module):
    """Frames -> observation tokens, one for each merged patch of each pair of frames."""

    def __init__(
        self, visual: Qwen2_5_VisionTransformerPretrainedModel, num_frames: int, frame_size: tuple[int, int]
    ) -> None:
        """Read `num_frames` of every chunk.

        Args:
            visual: the loaded tower.
            num_frames: frames of a chunk that are looked at, evenly spaced, the last one included.
            frame_size: (height, width) in pixels; they are resized to the nearest size that the patches divide.

        Raises:
            ValueError: a number of frames that the tower's temporal patch does not divide.
        """
        super().__init__()
        patch = int(visual.config.temporal_patch_size)  # type: ignore[arg-type]  # one number in Qwen2.5-VL
        if num_frames < 1 or num_frames % patch:
            raise ValueError(f"observed_frames must be a multiple of {patch}, got {num_frames}; change it")
        self.visual = visual
        self.num_frames = num_frames
        self._patch = int(visual.config.patch_size)  # type: ignore[arg-type]  # one number too
        self._cell = cell = self._patch * visual.spatial_merge_size
        self._times = num_frames // patch
        self.cells = (max(1, round(frame_size[0] / cell)), max(1, round(frame_size[1] / cell)))
        statistics = torch.tensor([OPENAI_CLIP_MEAN, OPENAI_CLIP_STD])[:, None, None, :, None, None]
        self.register_buffer("_statistics", statistics, persistent=False)

    @property
    def grid(self) -> tuple[int, int, int]:
        """Tokens in time, down and across."""
        return (self._times, *self.cells)

    @property
    def num_tokens(self) -> int:
        """Observation tokens a chunk."""
        return self.grid[0] * self.grid[1] * self.grid[2]

    @torch.no_grad()
    def forward(
        self, frames: UInt8[Tensor, "batch frames height width 3"]
    ) -> Float[Tensor, "batch tokens token_width"]:
        """Observation tokens of chunks."""
        patches = self.patches(frames)
        merge = self.visual.spatial_merge_size
        grid = torch.tensor([self.grid[0], merge * self.grid[1], merge * self.grid[2]], device=patches.device)
        flat = patches.flatten(0, 1).to(self.visual.patch_embed.proj.weight.dtype)
        tokens = self.visual(flat, grid_thw=grid.expand(len(frames), -1)).pooler_output
        return tokens.unflatten(0, (len(frames), -1))

    def patches(self, frames: UInt8[Tensor, "batch frames height width 3"]) -> Float[Tensor, "batch patches values"]:
        """Normalised pixels in the order of Qwen's processors: patches of a merged cell lie side by side."""
        count, size, merge = frames.shape[1], self._patch, self.visual.spatial_merge_size
        chosen = [-(-count * (number + 1) // self.num_frames) - 1 for number in range(self.num_frames)]
        pixels = self._resize(frames[:, chosen].movedim(-1, 2).float())
        mean, std = self.get_buffer("_statistics").float()
        pixels = (pixels / 255 - mean) / std
        times, rows, columns = self.grid
        cut = pixels.reshape(len(frames), times, -1, 3, rows, merge, size, columns, merge, size)
        return cut.permute(0, 1, 4, 7, 5, 8, 3, 2, 6, 9).flatten(1, 5).flatten(2)

    def _resize(self, pixels: Float[Tensor, "batch frames 3 height width"]) -> Tensor:
        size = (self.cells[0] * self._cell, self.cells[1] * self._cell)
        if tuple(pixels.shape[-2:]) == size:
            return pixels
        flat = nn.functional.interpolate(pixels.flatten(0, 1), size, mode="bicubic", antialias=True)
        return flat.clamp(0, 255).round().unflatten(0, pixels.shape[:2])

"""The small network that PPO and behaviour cloning share: it looks at a picture tile by tile.

The same weights look at every tile, so what is learned in one corner holds in the others; attention then picks the
tiles that matter (after spatial softmax, arXiv 1504.00702, with several learned maps).
"""

import gymnasium as gym
import torch
from jaxtyping import Float
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

TILE = 8  # pixels a side


class Residual(nn.Module):
    """x + conv(relu(conv(relu(x)))); the second one is dilated, so that a block looks 3 tiles far."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=2, dilation=2)

    def forward(self, x: Float[Tensor, "n channels rows columns"]) -> Float[Tensor, "n channels rows columns"]:
        """The sum."""
        change: Tensor = self.second(torch.relu(self.first(torch.relu(x))))
        return x + change


class TileFeatures(BaseFeaturesExtractor):
    """Features of a picture: codes of its tiles, two residual blocks between them, and what a few maps attend to.

    Its strides fit worlds that are drawn in tiles; stable-baselines3's `NatureCNN` cuts through theirs.

    Args:
        observation_space: pictures (3, height, width) with sides that are multiples of `TILE`.
        features_dim: width of the result.
        channels: of the tiles' codes.
        num_maps: tiles attended to.

    Raises:
        ValueError: pictures of another size.
    """

    def __init__(
        self, observation_space: gym.Space[object], features_dim: int = 128, channels: int = 32, num_maps: int = 4
    ) -> None:
        super().__init__(observation_space, features_dim)
        assert observation_space.shape is not None, "pictures have a shape"
        colors, height, width = observation_space.shape
        if height % TILE or width % TILE:
            raise ValueError(f"observations must have sides that are multiples of {TILE}, got {(height, width)}")
        num_tiles = (height // TILE) * (width // TILE)
        self.tiles = nn.Conv2d(colors, channels, TILE, stride=TILE)
        self.blocks = nn.Sequential(Residual(channels), Residual(channels))
        self.maps = nn.Conv2d(channels, num_maps, 1)
        self.readout = nn.Linear(channels * (num_maps + num_tiles), features_dim)

    def forward(self, observations: Float[Tensor, "n colors height width"]) -> Float[Tensor, "n features"]:
        """Features of pictures in [0, 1]."""
        tiles = self.tiles(observations)
        codes = torch.relu(self.blocks(tiles)).flatten(2)  # (n, channels, tiles)
        weights = self.maps(torch.relu(tiles)).flatten(2).softmax(-1)  # (n, maps, tiles)
        seen = torch.cat([(weights @ codes.mT).flatten(1), codes.flatten(1)], dim=1)
        features: Tensor = torch.relu(self.readout(seen))
        return features


POLICY_ARGUMENTS = {
    "features_extractor_class": TileFeatures,
    "features_extractor_kwargs": {"features_dim": 128},
    "net_arch": {"pi": [64], "vf": [64]},
}
"""`policy_kwargs` of stable-baselines3's `CnnPolicy`."""

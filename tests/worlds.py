"""A world small enough for tests: a tile that slides on a 4x4 board, its dataset, and an untrained model of it."""

import string
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import torch
from jaxtyping import UInt8

from wm_gym.autoencoder.patch_autoencoder import PatchAutoencoder, PatchAutoencoderConfig
from wm_gym.data.dataset import Dataset
from wm_gym.data.mixture import Mixture
from wm_gym.data.recording import random_policy, record
from wm_gym.training.presets import WorldModelSize, untrained_world_model
from wm_gym.world_card import ModelCard
from wm_gym.world_model import WorldModel
from wm_gym.world_state import WorldState

TILES = 4  # a side
TILE_PIXELS = 8
FRAME_SIZE = (TILES * TILE_PIXELS, TILES * TILE_PIXELS)
MOVES = {"left": (-1, 0), "right": (1, 0), "down": (0, 1)}
GOAL = (TILES - 1, TILES - 1)

Chunk = UInt8[np.ndarray, "time height width channel"]


class Slide(gym.Env[Chunk, str]):
    """A red tile slides on a board without edges, one cell a frame; the green corner gives 1 and ends the episode."""

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 5}
    world = "slide"
    action_phrases: ClassVar[dict[str, tuple[str, ...]]] = {
        "left": ("go left", "slide left"),
        "right": ("go right", "slide right"),
        "down": ("go down", "slide down"),
        "wait": ("wait", ""),
    }
    key_map: ClassVar[dict[str, str]] = {"left": "go left", "right": "go right", "down": "go down", "space": "wait"}

    def __init__(self, chunk_frames: int = 1, render_mode: str | None = None) -> None:
        self.chunk_frames = chunk_frames
        self.render_mode = render_mode
        self.observation_space = gym.spaces.Box(0, 255, (chunk_frames, *FRAME_SIZE, 3), np.uint8)
        self.action_space = gym.spaces.Text(min_length=0, max_length=256, charset=string.printable)
        self.cell = (0, 0)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Chunk, dict[str, Any]]:
        """Puts the tile anywhere but on the goal."""
        super().reset(seed=seed)
        column, row = divmod(int(self.np_random.integers(TILES**2 - 1)), TILES)
        self.cell = (column, row)
        return np.stack([draw(self.cell)] * self.chunk_frames), {}

    def step(self, action: str) -> tuple[Chunk, float, bool, bool, dict[str, Any]]:
        """Slides by one cell a frame, as the last word of the action says."""
        move = MOVES.get(action.rpartition(" ")[2], (0, 0))
        frames = []
        for _ in range(self.chunk_frames):
            if self.cell != GOAL:
                self.cell = ((self.cell[0] + move[0]) % TILES, (self.cell[1] + move[1]) % TILES)
            frames.append(draw(self.cell))
        arrived = self.cell == GOAL
        return np.stack(frames), float(arrived), arrived, False, {}


class Steer(Slide):
    """`Slide` that also takes numbers: how many cells to the right, -1 to 1, and down, 0 to 1, rounded."""

    world = "steer"
    control_range = ((-1.0, 0.0), (1.0, 1.0))

    def step(self, action: Any) -> tuple[Chunk, float, bool, bool, dict[str, Any]]:
        """Slides as the text or the numbers say."""
        if isinstance(action, np.ndarray):
            right, down = np.rint(action)
            action = "go down" if down else {-1: "go left", 0: "wait", 1: "go right"}[int(right)]
        return super().step(action)


def steer_at_random(env: gym.Env[Any, Any], rng: np.random.Generator) -> Any:
    """A policy that speaks in texts and numbers in turn."""
    speak = random_policy(env, rng)

    def act(observation: Any) -> Any:
        return speak(observation) if rng.random() < 0.5 else rng.uniform((-1, 0), (1, 1)).astype(np.float32)

    return act


def draw(cell: tuple[int, int]) -> UInt8[np.ndarray, "height width channel"]:
    """The board as a picture: grey, the goal green, the tile red."""
    board = np.full((TILES, TILES, 3), 60, dtype=np.uint8)
    board[GOAL[1], GOAL[0]] = (0, 200, 0)
    board[cell[1], cell[0]] = (220, 30, 30)
    return board.repeat(TILE_PIXELS, axis=0).repeat(TILE_PIXELS, axis=1)


def tiny_dataset(folder: Path, chunk_frames: int = 1, num_episodes: int = 6) -> Dataset:
    """Episodes of `Slide` under a random policy, at most 12 steps each."""
    env = Slide(chunk_frames)
    return record(env, random_policy, output=folder, num_episodes=num_episodes, max_steps=12, progress=False)


def tiny_autoencoder() -> PatchAutoencoder:
    """An untrained autoencoder for frames of `Slide`, the same at every call."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = PatchAutoencoderConfig(latent_channels=4, width=16, num_blocks=1)
        autoencoder: PatchAutoencoder = PatchAutoencoder.build(config)
        return autoencoder


def tiny_size(window_chunks: int = 1, history_rounds: int = 3) -> WorldModelSize:
    """Sizes that build and step in milliseconds."""
    return WorldModelSize(
        transition_width=24,
        transition_layers=2,
        history_rounds=history_rounds,
        sink_rounds=1,
        decoder_width=32,
        decoder_layers=2,
        decoder_heads=2,
        num_state_tokens=3,
        window_chunks=window_chunks,
    )


def tiny_world_model(folder: Path, window_chunks: int = 1, chunk_frames: int = 1) -> WorldModel:
    """An untrained world model of `Slide`, in evaluation mode; equal arguments give equal weights.

    Args:
        folder: where its dataset is recorded, or lies from an earlier call.
        window_chunks: chunks that the decoder's attention sees.
        chunk_frames: frames a step.
    """
    data = Mixture((tiny_dataset(folder, chunk_frames),))
    return untrained_world_model(data, tiny_autoencoder(), tiny_size(window_chunks)).eval()


def tiny_general_model(folder: Path) -> WorldModel:
    """An untrained model of `Slide` and `Steer` that a language model reads to, and that sees two past frames."""
    slide = tiny_dataset(folder / "slide")
    steer = record(Steer(), steer_at_random, output=folder / "steer", num_episodes=4, max_steps=8, progress=False)
    size = replace(tiny_size(), past_frames=2, language="minilm")
    return untrained_world_model(Mixture((slide, steer)), tiny_autoencoder(), size).eval()


def worlds_of_ages(model: WorldModel, ages: Sequence[int]) -> WorldState:
    """One world of `Slide` for each age in steps, world i from start i with seed i, in one state."""
    texts = ("go left", "go down", "", "wait")
    worlds = []
    for row, num_steps in enumerate(ages):
        world = model.reset(model.starts["slide"][row : row + 1], seeds=[row])
        for number in range(num_steps):
            world, _ = model.step(world, [texts[number % 4]])
        worlds.append(world)
    return WorldState.cat(worlds)


def write_tiny_checkpoint(folder: Path, window_chunks: int = 1, chunk_frames: int = 1) -> ModelCard:
    """Write an untrained world model of `Slide` that `WorldModel.from_pretrained(folder)` loads.

    Args:
        folder: the checkpoint's; its dataset is recorded beside it, in `<name>-data`.
        window_chunks: chunks that the decoder's attention sees.
        chunk_frames: frames a step.
    """
    data = folder.with_name(f"{folder.name}-data")
    return tiny_world_model(data, window_chunks, chunk_frames).save_pretrained(folder)

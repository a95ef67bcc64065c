"""The main job: dream a world under a few texts, beside its real twin where the simulator is there, and film both."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import gymnasium as gym
import numpy as np
from jaxtyping import UInt8

from wm_gym.evaluation.rollouts import load_policy
from wm_gym.evaluation.twin import Env, real_twin
from wm_gym.filmstrip import Shot, draw_strip, write_gif

Frame = UInt8[np.ndarray, "height width 3"]

# Said without the simulator, where nobody knows the way to the goal: walk about and try things.
WANDER = tuple(
    "move forward,move forward,turn right,go forward,pick up,rotate to the left,move forward,toggle,move forward,"
    "turn left,step forward,drop,turn right,move forward,wait,turn left".split(",")
)


@dataclass(frozen=True, kw_only=True)
class DreamConfig:
    """What to dream.

    Attributes:
        checkpoint: a shipped world ("minigrid") or a checkpoint folder.
        actions: texts, separated by commas, as "turn left,move forward,open the door". By default a scripted expert
            plays the real twin and its words steer the dream; without the simulator it is a fixed walk.
        steps: the most steps to dream, at least 1; the film stops where the real episode ends.
        seed: of the start, which is a layout that the model never saw in training, and of the dream.
        output: folder for `dream.gif` and `strip.png`.
        layout: layout of the real twin ("doorkey", "rooms", "objects", "crossing", "empty").
        policy: who speaks when `actions` are left out, as "module:factory".
        twin: Gymnasium id of the real twin.
        device: where the model runs, as torch names it.
    """

    checkpoint: str = "minigrid"
    actions: str | None = None
    steps: int = 23  # with the start three full bands of the strip
    seed: int = 0
    output: Path = Path("dream")
    layout: str = "doorkey"
    policy: str = "policies.minigrid:expert"
    twin: str = "envs:real/MiniGrid-v0"
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Check the numbers and texts.

        Raises:
            ValueError: `steps` or `seed` is out of range.
        """
        if self.steps < 1:
            raise ValueError(f"steps must be at least 1, got {self.steps}")
        if self.seed < 0:
            raise ValueError(f"seed must be at least 0, got {self.seed}")

    @property
    def texts(self) -> list[str] | None:
        """The actions one by one, or None for the default's."""
        return None if self.actions is None else [text.strip() for text in self.actions.split(",")]


@dataclass(frozen=True, kw_only=True)
class DreamReport:
    """What came of a dream.

    Attributes:
        shots: the start and the frames after each step.
        returns: sum of rewards of the dream and, where it ran, of the twin.
        latency: median milliseconds of `env.step`.
        missing_twin: why there is no twin, or "".
        paths: the files written.
    """

    shots: tuple[Shot, ...]
    returns: tuple[float, ...]
    latency: float
    missing_twin: str
    paths: tuple[Path, ...]

    @property
    def num_same(self) -> int:
        """Dreamed steps whose frame shows the twin's state."""
        return sum(not shot.differs for shot in self.shots[1:])


def dream(config: DreamConfig) -> DreamReport:
    """Dream, draw `dream.gif` and `strip.png` into the output folder, and report.

    Raises:
        ValueError: the checkpoint, an action or the policy is bad.
        OSError: the output folder cannot be written.
    """
    env: Env = gym.make(
        "wm_gym/MiniGrid-v0",
        checkpoint=config.checkpoint,
        device=config.device,
        max_episode_steps=-1,
        disable_env_checker=True,
    )
    twin, missing_twin = _make_twin(config, env)
    config.output.mkdir(parents=True, exist_ok=True)
    stage = _Stage(env, twin)
    stage.start(config.seed)
    for text in islice(_speak(config, stage), config.steps):
        stage.step(text)
        if stage.is_over:
            break
    paths = (config.output / "dream.gif", config.output / "strip.png")
    write_gif(paths[0], stage.shots, frames_per_second=2.5)
    draw_strip(stage.shots).save(paths[1])
    return DreamReport(
        shots=tuple(stage.shots),
        returns=tuple(player.total for player in stage.players),
        latency=median(stage.players[0].latencies),
        missing_twin=missing_twin,
        paths=paths,
    )


class _Player:
    """One env of the two, and the frame that it holds once its episode is over."""

    def __init__(self, env: Env) -> None:
        self.env = env
        self.over = False
        self.reward = self.total = 0.0
        self.latencies: list[float] = []  # milliseconds
        self.observation: Any = None

    def reset(self, *, seed: int, options: dict[str, Any] | None = None) -> None:
        """Start the episode."""
        self.observation, _ = self.env.reset(seed=seed, options=options)

    def step(self, text: str) -> None:
        """Step, or hold where it ended."""
        self.reward = 0.0
        if self.over:
            return
        begin = perf_counter()
        self.observation, reward, terminated, truncated, _ = self.env.step(text)
        self.latencies.append(1000 * (perf_counter() - begin))
        self.reward = float(reward)
        self.total += self.reward
        self.over = terminated or truncated

    @property
    def frame(self) -> Frame:
        """The last frame of the chunk."""
        frame: Frame = np.asarray(self.observation)[-1]
        return frame


class _Stage:
    """The dream and, where there is one, its twin, under the same texts from the same frame."""

    def __init__(self, env: Env, twin: Env | None) -> None:
        self.players = [_Player(each) for each in (env, twin) if each is not None]
        self.shots: list[Shot] = []

    def start(self, seed: int) -> None:
        """Reset the twin and dream on from its first frame; without a twin from one of the checkpoint's starts."""
        dreamer, *twins = self.players
        for twin in twins:
            twin.reset(seed=seed)
        dreamer.reset(seed=seed, options={"frames": twins[0].observation} if twins else None)
        self._film("start")

    def step(self, text: str) -> None:
        """Say a text to both."""
        for player in self.players:
            player.step(text)
        reward = self.players[0].reward
        self._film(f"{text} {reward:+g}" if reward else text)

    @property
    def is_over(self) -> bool:
        """Whether the real episode ended, or without a twin the dream."""
        return self.players[-1].over

    def _film(self, caption: str) -> None:
        """Keep what both show now."""
        dreamer, *twins = self.players
        if not twins:
            self.shots.append(Shot(caption=caption, dream=dreamer.frame))
            return
        twin = real_twin(twins[0].env)
        differs = bool(twin.read_state(dreamer.frame) != twin.state()) or dreamer.over != twins[0].over
        self.shots.append(Shot(caption=caption, dream=dreamer.frame, real=twins[0].frame, differs=differs))


def _make_twin(config: DreamConfig, env: Env) -> tuple[Env | None, str]:
    """The twin of the env's world on layouts that no training saw, or why there is none."""
    try:
        twin: Env = gym.make(
            config.twin,
            split="test",
            layout=config.layout,
            max_episode_steps=-1,
            disable_env_checker=True,
        )
    except (ImportError, gym.error.Error) as error:
        return None, str(error)
    except TypeError as error:
        raise ValueError(
            f"twin must be the id of a real twin, which takes split and layout, got {config.twin!r} ({error})"
        ) from error
    worlds = [each.get_wrapper_attr("world") for each in (env, twin)]
    if worlds[0] != worlds[1]:
        return None, f"{config.twin} is the twin of {worlds[1]!r}, not of {worlds[0]!r}"
    return twin, ""


def _speak(config: DreamConfig, stage: _Stage) -> Iterator[str]:
    """The texts, one a step: the user's, the policy's that plays the twin, or the fixed walk."""
    if config.texts is not None:
        yield from config.texts
    elif len(stage.players) == 1:
        yield from cycle(WANDER)
    else:
        twin = stage.players[1]
        policy: Callable[[Any], str] = load_policy(config.policy)(twin.env, np.random.default_rng(config.seed))
        while True:
            yield "" if twin.over else policy(twin.observation)

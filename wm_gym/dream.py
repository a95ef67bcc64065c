"""The main job: dream a world under a few texts, beside its real twin where the simulator is there, and film both."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import gymnasium as gym
import numpy as np
from jaxtyping import UInt8

from wm_gym.evaluation.rollouts import Policy, Walk
from wm_gym.evaluation.speech import Speech, label
from wm_gym.evaluation.states import reader_of, whole_state
from wm_gym.evaluation.twin import Env
from wm_gym.evaluation.world_plans import PLANS
from wm_gym.filmstrip import Shot, draw_strip, write_gif
from wm_gym.worlds import WORLDS

Frame = UInt8[np.ndarray, "height width 3"]

LONGEST_HOLD = 3  # steps for which a wanderer keeps to a text


@dataclass(frozen=True, kw_only=True)
class DreamConfig:
    """What to dream.

    Attributes:
        checkpoint: a shipped one ("minigrid") or a checkpoint folder.
        world: one of its worlds; by default its only one.
        actions: texts, separated by commas, as "turn left,move forward,open the door". By default a scripted expert
            plays the real twin and its words steer the dream; without the simulator the world's texts come at random.
        steps: the most steps to dream, at least 1; the film stops where the real episode ends.
        seed: of the start, which is one that the model never saw in training, and of the dream.
        output: folder for `dream.gif` and `strip.png`.
        policy: who speaks when `actions` are left out, as "module:factory"; by default the world's own expert.
        twin: Gymnasium id of the real twin; by default the world's own.
        twin_arguments: arguments of the twin, as JSON: '{"layout": "rooms"}'.
        device: where the model runs, as torch names it.
    """

    checkpoint: str = "minigrid"
    world: str | None = None
    actions: str | None = None
    steps: int = 23  # with the start three full bands of the strip
    seed: int = 0
    output: Path = Path("dream")
    policy: str | None = None
    twin: str | None = None
    twin_arguments: str | None = None
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
        has_states: whether the twin's states can be read off frames.
        paths: the files written.
    """

    shots: tuple[Shot, ...]
    returns: tuple[float, ...]
    latency: float
    missing_twin: str
    has_states: bool
    paths: tuple[Path, ...]

    @property
    def num_same(self) -> int:
        """Dreamed steps whose frame shows the twin's state."""
        return sum(not shot.differs for shot in self.shots[1:])


def dream(config: DreamConfig) -> DreamReport:
    """Dream, draw `dream.gif` and `strip.png` into the output folder, and report.

    Raises:
        ValueError: the checkpoint, the world, an action or the policy is bad.
        OSError: the output folder cannot be written.
    """
    env: Env = gym.make(
        "wm_gym/World-v0",
        checkpoint=config.checkpoint,
        world=config.world,
        device=config.device,
        max_episode_steps=-1,
        disable_env_checker=True,
    )
    world = str(env.get_wrapper_attr("world"))
    twin, missing_twin = _make_twin(config, world)
    config.output.mkdir(parents=True, exist_ok=True)
    stage = _Stage(env, twin, world)
    policy = stage.start(config)
    for words in islice(_speak(config, stage, policy), config.steps):
        stage.step(*words)
        if stage.is_over:
            break
    paths = (config.output / "dream.gif", config.output / "strip.png")
    write_gif(paths[0], stage.shots, frames_per_second=2.5)
    draw_strip(stage.shots).save(paths[1])
    stage.close()
    return DreamReport(
        shots=tuple(stage.shots),
        returns=tuple(player.total for player in stage.players),
        latency=median(stage.players[0].latencies),
        missing_twin=missing_twin,
        has_states=stage.reader is not None,
        paths=paths,
    )


def wander(texts: Sequence[str], seed: int) -> Iterator[str]:
    """Texts at random, each kept for a few steps."""
    rng = np.random.default_rng(seed)
    while True:
        yield from [texts[int(rng.integers(len(texts)))]] * int(rng.integers(1, LONGEST_HOLD + 1))


class _Player:
    """One env of the two, and the frame that it holds once its episode is over."""

    def __init__(self, env: Env) -> None:
        self.env = env
        self.over = False
        self.reward = self.total = 0.0
        self.latencies: list[float] = []  # milliseconds
        self.observation: Any = None

    def step(self, action: Any) -> None:
        """Step, or hold where it ended."""
        self.reward = 0.0
        if self.over:
            return
        begin = perf_counter()
        self.observation, reward, terminated, truncated, _ = self.env.step(action)
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
    """The dream and, where there is one, its twin, under the same actions from the same frames."""

    def __init__(self, env: Env, twin: Env | None, world: str) -> None:
        self.players = [_Player(each) for each in (env, twin) if each is not None]
        self.reader = None if twin is None else reader_of(twin, world)
        self.shots: list[Shot] = []
        self._plan = PLANS.get(world)

    def start(self, config: DreamConfig) -> Policy | None:
        """Reset the twin and dream on from its frames; without a twin from one of the checkpoint's starts.

        Returns:
            The policy that plays the twin, if one is known.
        """
        dreamer, *twins = self.players
        policy: Policy | None = None
        options: dict[str, Any] | None = None
        if twins:
            policy, clip = self._start_twin(twins[0], config, dreamer.env.get_wrapper_attr("model").kept_frames)
            options = {"frames": clip}
        dreamer.observation, _ = dreamer.env.reset(seed=config.seed, options=options)
        self._film("start")
        return policy

    def step(self, action: Any, told: Any) -> None:
        """Act in the twin, and tell the dream."""
        dreamer, *twins = self.players
        dreamer.step(told)
        for twin in twins:
            twin.step(action)
        caption = label(told)
        self._film(f"{caption} {dreamer.reward:+.3g}" if dreamer.reward else caption)

    @property
    def is_over(self) -> bool:
        """Whether the real episode ended, or without a twin the dream."""
        return self.players[-1].over

    def close(self) -> None:
        """Close both."""
        for player in self.players:
            player.env.close()

    def _start_twin(self, twin: _Player, config: DreamConfig, clip_frames: int) -> tuple[Policy | None, Any]:
        """Reset the twin and, where a frame does not show how things move, let its policy take a few steps."""
        name = config.policy or (self._plan.guide if self._plan else None)
        if name is None:
            twin.observation, _ = twin.env.reset(seed=config.seed)
            return None, twin.observation
        walk = Walk(twin.env, name, seed=config.seed, clip_frames=clip_frames)
        walk.advance(self._plan.lead_steps[0] if self._plan else 0)
        twin.observation = walk.observation
        return walk.policy, walk.clip

    def _film(self, caption: str) -> None:
        """Keep what both show now."""
        dreamer, *twins = self.players
        if not twins:
            self.shots.append(Shot(caption=caption, dream=dreamer.frame))
            return
        differs = dreamer.over != twins[0].over
        if self.reader is not None:
            read, true = self.reader.twin.read_state(dreamer.frame), self.reader.twin.state()
            differs = differs or not whole_state(self.reader.match([read], [true]))[0]
        self.shots.append(Shot(caption=caption, dream=dreamer.frame, real=twins[0].frame, differs=bool(differs)))


def _make_twin(config: DreamConfig, world: str) -> tuple[Env | None, str]:
    """The twin of a world on starts that no training saw, or why there is none.

    Raises:
        ValueError: it takes other arguments.
    """
    name = config.twin or (WORLDS[world].twin if world in WORLDS else None)
    if name is None:
        return None, f"nobody knows one of {world!r}; name it with --twin"
    try:
        own = PLANS[world].guide_arguments if world in PLANS else {}
        arguments = own if config.twin_arguments is None else json.loads(config.twin_arguments)
        twin: Env = gym.make(name, split="test", max_episode_steps=-1, disable_env_checker=True, **arguments)
    except (ImportError, gym.error.Error) as error:
        return None, str(error)
    except (TypeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"twin must be the id of a real twin, which takes a split and twin_arguments, got {name!r} and "
            f"{config.twin_arguments!r} ({error})"
        ) from error
    found = getattr(twin.unwrapped, "world", world)
    if found != world:
        return None, f"{name} is the twin of {found!r}, not of {world!r}"
    return twin, ""


def _speak(config: DreamConfig, stage: _Stage, policy: Policy | None) -> Iterator[tuple[Any, Any]]:
    """What the twin and the dream are told, one pair a step: the user's words, the policy's, or texts at random.

    The dream hears the policy in the phrasings that it was trained on.
    """
    dreamer, *twins = stage.players
    if config.texts is not None:
        yield from zip(config.texts, config.texts, strict=True)
    elif policy is None:
        for text in wander(dreamer.env.get_wrapper_attr("get_action_meanings")(), config.seed):
            yield text, text
    else:
        world: str = dreamer.env.get_wrapper_attr("world")
        speech = Speech(twins[0].env, dreamer.env.get_wrapper_attr("model").card.worlds[world])
        rng = np.random.default_rng([config.seed, 3])
        while True:
            action = policy(twins[0].observation)
            yield action, speech.say(action, rng)

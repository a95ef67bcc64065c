"""A learned world as a Gymnasium env: texts in, chunks of frames out."""

import string
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.utils import EzPickle
from jaxtyping import UInt8

from wm_gym.actions import MAX_ACTION_LENGTH, Action, check_text, scale_numbers
from wm_gym.checkpoint import read_card
from wm_gym.decoder.chunk_sampler import ChunkSampling
from wm_gym.env_arguments import checkpoint_of
from wm_gym.env_state import EnvState, as_env_state
from wm_gym.keys import key_codes
from wm_gym.start import StartRules, check_frames, check_index, check_options, twin_start
from wm_gym.starts import Starts, check_start, open_starts
from wm_gym.step_arguments import StepArguments, check_at_least
from wm_gym.step_info import step_info
from wm_gym.world_card import WorldCard
from wm_gym.world_model import WorldModel
from wm_gym.world_state import WorldState

Chunk = UInt8[np.ndarray, "time height width 3"]
Frame = UInt8[np.ndarray, "height width 3"]

RESET_INFOS = ("start", "index")
"""What the info of a reset may hold."""


class WorldModelEnv(gym.Env[Any, Any], EzPickle):
    """Steps a learned world with texts.

    Actions are any printable text of up to 256 characters; "" does nothing. In worlds with numeric actions `step` also
    takes an array of numbers within `control_range`. Observations are chunks, uint8
    (chunk_frames, height, width, 3). The reward is the chunk's sum. `terminated` comes from the model's head,
    `truncated` from `max_uncertainty` (and from the id's `TimeLimit`). Same seed, same actions, same device: same
    episode.

    `info` of a step holds `rewards` (float32, one a frame; the model judges a step as a whole, so all of it lies on the
    last), `termination_probability` and `uncertainty` (floats), with `max_uncertainty` also `uncertainty_stop` (bool),
    and `event`, the text of what `happen` told, where it told something.
    With `report_latencies` it holds `latencies` (milliseconds by stage) too; they are left out by default since they
    differ between two runs of the same episode, which `check_env` takes for nondeterminism. `env.unwrapped.latencies`
    always has those of the last step.

    `reset(options=...)` says where the world starts; without it, one of the env's start observations is drawn:

    - `frames`: an image (height, width, 3), a chunk, or a clip that also shows how things move, uint8.
    - `index` (or `episode`): number of one of `starts`, or else of the checkpoint's start observations.
    - `state`: an `EnvState` or a `WorldState` of the same checkpoint; the rest of its noise is already decided by it.
    - `world`: the name of the world, which must be this env's.
    - `event`: what happens beside the first action, as `happen` tells it.

    Args:
        world: name of a world; None takes the only one of `checkpoint`, and "minigrid" without one.
        checkpoint: name of a shipped checkpoint or a folder of your own. None takes the shipped one of the world's
            name, or else the first that has the world.
        render_mode: None, "rgb_array" (the last frame) or "human" (a window, with the extra `play`).
        device: where the model runs, as torch names it.
        compiled: run it through `torch.compile`: the first steps take a minute or two, the others less than without.
        num_denoising_steps: decoder calls a chunk, at least 1; None takes the checkpoint's.
        temperature: scale of the decoder's initial noise, at least 0; None takes the checkpoint's. More makes the world
            less predictable, and its mistakes harder to exploit.
        context_noise: standard deviation of the noise on the latents that each step goes on from, at least 0, so
            that no fine detail of them can be counted on. Training blurs histories as much, up to `history_noise`.
        guidance_scale: classifier-free guidance on the action, for weights trained with `action_dropout`: more than 1
            exaggerates what it changes, 1 is off.
        state_guidance_scale: the same on the latent state, for weights trained with `state_dropout`.
        sampling: how chunks are drawn one after the other, "autoregressive" or "swin"; None as the checkpoint was
            trained for.
        max_uncertainty: truncate once the model's uncertainty exceeds it, which `info["uncertainty_stop"]` then tells
            from other ends; None never does. Learners take it for a time limit and bootstrap.
        starts: what episodes begin at instead of the checkpoint's start observations: the folder of a recording of the
            world (any of its observations but an episode's last), an array (starts, [time,] height, width, 3), or
            another sequence of images, chunks or clips, uint8. Only a folder's name survives `spec.to_json()`.
        sample_outcomes: draw reward and end from the model's probabilities, with the world's own noise, instead of
            taking their medians; so a reward that the model half believes in is paid half of the time.
        report_latencies: put the latencies into `info`.

    Raises:
        ValueError: an unknown world, a checkpoint that cannot be loaded, or an argument out of range.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "human"], "render_fps": 8}

    def __init__(
        self,
        world: str | None = None,
        checkpoint: str | Path | None = None,
        render_mode: str | None = None,
        device: str = "cpu",
        compiled: bool = False,
        num_denoising_steps: int | None = None,
        temperature: float | None = None,
        context_noise: float = 0.0,
        guidance_scale: float = 1.0,
        state_guidance_scale: float = 1.0,
        sampling: ChunkSampling | None = None,
        max_uncertainty: float | None = None,
        starts: Starts | str | Path | None = None,
        sample_outcomes: bool = False,
        report_latencies: bool = False,
    ) -> None:
        EzPickle.__init__(
            self,
            world=world,
            checkpoint=checkpoint,
            render_mode=render_mode,
            device=device,
            compiled=compiled,
            num_denoising_steps=num_denoising_steps,
            temperature=temperature,
            context_noise=context_noise,
            guidance_scale=guidance_scale,
            state_guidance_scale=state_guidance_scale,
            sampling=sampling,
            max_uncertainty=max_uncertainty,
            starts=starts,
            sample_outcomes=sample_outcomes,
            report_latencies=report_latencies,
        )
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ValueError(f"render_mode must be None, 'rgb_array' or 'human', got {render_mode!r}")
        self.step_arguments = StepArguments(
            num_denoising_steps=num_denoising_steps,
            temperature=temperature,
            context_noise=context_noise,
            guidance_scale=guidance_scale,
            state_guidance_scale=state_guidance_scale,
            sample_outcomes=sample_outcomes,
        )
        check_at_least("max_uncertainty", max_uncertainty, 0)
        self.render_mode = render_mode
        name = checkpoint_of(world or "minigrid") if checkpoint is None else checkpoint
        self.world = read_card(name).world(world)
        self.model = WorldModel.from_pretrained(name, device=device, sampling=sampling, compiled=compiled)
        self.step_arguments.check_model(self.model)
        self.latencies: dict[str, float] = {}
        self._max_uncertainty = max_uncertainty
        self._report_latencies = report_latencies
        self._has_own_starts = starts is not None
        self._starts = open_starts(starts, self.model.starts.get(self.world, ()), self.world, self._start_rules(0))
        self._state: EnvState | None = None
        self._screen: Any = None
        self._closed = False
        self.metadata = {**self.metadata, "render_fps": self._card.render_fps}
        self.observation_space, self.action_space = self._spaces()

    @property
    def action_phrases(self) -> dict[str, tuple[str, ...]]:
        """The texts that the world was trained on: name of the action -> its phrasings, the first the canonical one."""
        return dict(self._card.action_phrases)

    @property
    def control_range(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Smallest and largest value of each number of a numeric action; empty where the world has none."""
        return self._card.control_low, self._card.control_high

    @property
    def chunk_frames(self) -> int:
        """Frames that one step returns."""
        return self.model.card.chunk_frames

    @property
    def noop(self) -> str | int:
        """The action that does nothing, for `gymnasium.utils.play.play(env, noop=env.unwrapped.noop)`."""
        return ""

    @property
    def key_map(self) -> dict[str, str]:
        """Name of a key, as pygame names it -> text."""
        return dict(self._card.key_map)

    def get_action_meanings(self) -> list[str]:
        """The canonical text of every action that the world knows. Other texts are allowed too."""
        return [phrases[0] for phrases in self.action_phrases.values()]

    def get_keys_to_action(self) -> dict[tuple[int, ...], Any]:
        """Pressed keys (pygame key codes) to texts, for `gymnasium.utils.play.play(env, noop=env.unwrapped.noop)`."""
        return key_codes(self.key_map)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Chunk, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: seeds `np_random`, from which the start and the seed of the world's noise are drawn.
            options: where to start; see the class.

        Returns:
            The first observation and an info with `start`: "frames", "state", "index" (with `index`, the number of the
            start observation) or "twin" (of a world that comes without start observations).

        Raises:
            ValueError: the options do not fit, and the env stays as it was; or none of `starts` is left, or the drawn
                one does not fit.
            gymnasium.error.ClosedEnvironmentError: after `close`.
        """
        self._check_open("reset")
        options = {} if options is None else options
        check_options(options, self.world)
        rules = self._start_rules(len(self._starts))
        frames = options.get("frames")
        chunk = None if frames is None else check_frames(frames, rules)
        index = check_index(options, rules)
        event = check_text(options.get("event", ""), "event")
        saved = None if options.get("state") is None else as_env_state(options["state"], self.model, self.world)
        super().reset(seed=seed)
        if saved is not None:
            return self._begin(saved.world_state, event or saved.event), {"start": "state"}
        if chunk is not None:
            return self._begin(self._reset_model(chunk), event), {"start": "frames"}
        if not rules.num_starts and self._has_own_starts:
            raise ValueError("starts must be at least one at a reset, got none left; add some, or make another env")
        if not rules.num_starts:
            start = twin_start(self.world, int(self.np_random.integers(2**31)))
            return self._begin(self._reset_model(start), event), {"start": "twin"}
        index = int(self.np_random.integers(rules.num_starts)) if index is None else index
        start = check_start(self._starts, index, rules)
        return self._begin(self._reset_model(start), event), {"start": "index", "index": index}

    def step(self, action: Any) -> tuple[Chunk, float, bool, bool, dict[str, Any]]:
        """Say a text to the world.

        Args:
            action: printable text of at most 256 characters; or, where the world has them, numbers in `control_range`.

        Returns:
            observation, reward, terminated, truncated, info.

        Raises:
            ValueError: the action breaks the rule. The env stays as it was.
            gymnasium.error.ResetNeeded: before the first reset, or after the end.
            gymnasium.error.ClosedEnvironmentError: after `close`.
        """
        self._check_open("step")
        state = self._running_state()
        world_state, output = self.model.step(
            state.world_state,
            [self._checked(action)],
            events=[state.event],
            **self.step_arguments.keywords(),
        )
        terminated = bool(output.terminated[0])
        self.latencies = {stage: 1000 * seconds for stage, seconds in output.latencies.items()}
        info = step_info(output, self._max_uncertainty)
        if state.event:
            info["event"] = state.event
        if self._report_latencies:
            info["latencies"] = dict(self.latencies)
        truncated = info.get("uncertainty_stop", False)
        self._state = EnvState(
            world_state=world_state,
            ended=terminated or truncated,
            elapsed_steps=state.elapsed_steps + 1,
            world=self.world,
        )
        self._show(self._state.observation)
        return self._state.observation, float(output.reward[0]), terminated, truncated, info

    def happen(self, event: str) -> None:
        """Tell what happens to the world beside the next action, such as "the door opens"; see `WorldModel.step`.

        Until that step it is a part of the state, and another call takes its place.

        Args:
            event: printable text of at most 256 characters; "" for nothing.

        Raises:
            ValueError: the event breaks the rule. The env stays as it was.
            gymnasium.error.ResetNeeded: before the first reset, or after the end.
            gymnasium.error.ClosedEnvironmentError: after `close`.
        """
        self._check_open("happen")
        self._state = replace(self._running_state(), event=check_text(event, "event"))

    def render(self) -> Frame | None:
        """The last frame, uint8 (height, width, 3), a copy; None with "human", or (and a warning) without a mode.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
            gymnasium.error.ClosedEnvironmentError: after `close`.
        """
        self._check_open("render")
        if self.render_mode is None:
            gym.logger.warn("render() needs a render mode; make the env with render_mode='rgb_array'")
            return None
        frame: Frame = self._current_state().observation[-1]
        return None if self.render_mode == "human" else frame

    def close(self) -> None:
        """Close the window, if there is one; the env is not to be used again."""
        self._closed, self._state = True, None
        if self._screen is not None:
            self._screen.close()
            self._screen = None

    def clone_state(self, include_rng: bool = False) -> EnvState:
        """The whole state of the episode, over or not, which later steps do not change.

        Args:
            include_rng: also keep `np_random`, so that later resets repeat as well. The world's own noise
                repeats in any case.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
            gymnasium.error.ClosedEnvironmentError: after `close`.
        """
        self._check_open("clone_state")
        state = self._current_state()
        return replace(state, rng=self.np_random.bit_generator.state if include_rng else None)

    def restore_state(self, state: Any) -> None:
        """Go back to a cloned state: what follows repeats bit for bit.

        `TimeLimit` counts outside this env and goes on counting; planners step `env.unwrapped`.

        Args:
            state: from `clone_state` of an env with the same checkpoint.

        Raises:
            ValueError: it is something else, or of another checkpoint or world. The env stays as it was.
            gymnasium.error.ClosedEnvironmentError: after `close`.
        """
        self._check_open("restore_state")
        if not isinstance(state, EnvState):
            raise ValueError(
                f"state must come from clone_state(), got {type(state).__name__}; "
                'start from a WorldState with reset(options={"state": ...})'
            )
        restored = as_env_state(state, self.model, self.world)
        if state.rng is not None:
            self.np_random.bit_generator.state = state.rng
        self._state = restored

    def _spaces(self) -> tuple[gym.spaces.Box, gym.Space[Any]]:
        """Of observations and actions."""
        card = self.model.card
        chunk = gym.spaces.Box(0, 255, (card.chunk_frames, *card.frame_size, 3), np.uint8)
        return chunk, gym.spaces.Text(min_length=0, max_length=MAX_ACTION_LENGTH, charset=string.printable)

    @property
    def _card(self) -> WorldCard:
        """Of the env's world."""
        return self.model.card.worlds[self.world]

    def _checked(self, action: Any) -> Action:
        """The action as the model takes it."""
        return scale_numbers(action, *self.control_range) if isinstance(action, np.ndarray) else check_text(action)

    def _begin(self, world_state: WorldState, event: str) -> Chunk:
        """Begin an episode in a state and return the observation."""
        self._state = EnvState(world_state=world_state, ended=False, elapsed_steps=0, world=self.world, event=event)
        self.latencies = {}
        self._show(self._state.observation)
        return self._state.observation

    def _show(self, chunk: Chunk) -> None:
        """Draw the chunk where a person watches."""
        if self.render_mode == "human":
            from wm_gym.screen import Screen  # needs pygame, which the others do not

            self._screen = self._screen or Screen(f"wm-gym: {self.world}", float(self.metadata["render_fps"]))
            self._screen.show(chunk)

    def _reset_model(self, chunk: Chunk) -> WorldState:
        """The model's state after `chunk`, its noise seeded from `np_random`."""
        seed = int(self.np_random.integers(2**63 - 1))
        return self.model.reset(chunk[None], seeds=[seed])

    def _start_rules(self, num_starts: int) -> StartRules:
        """What a start must fit."""
        chunk_shape = (self.chunk_frames, *self.model.card.frame_size, 3)
        return StartRules(chunk_shape=chunk_shape, num_starts=num_starts, most_frames=self.model.kept_frames)

    def _check_open(self, name: str) -> None:
        """Refuse a closed env.

        Raises:
            gymnasium.error.ClosedEnvironmentError: after `close`.
        """
        if self._closed:
            raise ClosedEnvironmentError(f"{name} must not be called after close(), got a closed env; make another one")

    def _current_state(self) -> EnvState:
        """The state.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """
        if self._state is None:
            raise ResetNeeded("the env must be reset before its first step, render or clone_state; call reset()")
        return self._state

    def _running_state(self) -> EnvState:
        """The state of an episode that is not over.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset, or after the end.
        """
        state = self._current_state()
        if state.ended:
            raise ResetNeeded(
                f"step must not be called after the end, got a step after the episode ended at step "
                f"{state.elapsed_steps}; call reset(), or restore_state() of an earlier state"
            )
        return state

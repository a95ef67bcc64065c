"""A batch of learned worlds as one Gymnasium vector env: one call of the model a step."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from jaxtyping import UInt8
from numpy.typing import NDArray

from wm_gym.actions import Action, check_text, scale_numbers
from wm_gym.decoder.chunk_sampler import ChunkSampling
from wm_gym.env import Frame, WorldModelEnv
from wm_gym.env_state import check_same_world
from wm_gym.starts import Starts
from wm_gym.step_info import as_array, step_values
from wm_gym.vector_arguments import Rows, check_count, check_mask, check_mode, each_action, each_event, each_seed
from wm_gym.vector_infos import finals, masked
from wm_gym.vector_state import Chunks, VectorEnvState
from wm_gym.world_model import WorldModel
from wm_gym.world_state import WorldState

Observations = UInt8[np.ndarray, "batch ..."]
Step = tuple[Observations, NDArray[np.float64], Rows, Rows, dict[str, Any]]


class WorldModelVectorEnv(gym.vector.VectorEnv[Any, Any, NDArray[Any]]):
    """Steps `num_envs` learned worlds with texts, one a world.

    Row i is what `WorldModelEnv` gives for the same seed and actions, whoever shares the batch: the same episode up to
    the rounding of another batch size (a grey level in the frames), and bit for bit among batches of one size. Every
    world has a generator of its own, its own time limit and its own end; dead rows begin anew without touching others.

    Rewards are float64, infos follow Gymnasium's vector conventions: `infos[name][i]` where `infos["_" + name][i]`;
    `event` holds texts, None where nothing was told, and is there only where something was.
    With `AutoresetMode.NEXT_STEP` a row that ended is reset by the next step, which ignores its action and rewards 0;
    with `SAME_STEP` at once, its last observation and info in `final_obs` and `final_info`; with `DISABLED` by
    `reset(options={"reset_mask": mask})` alone, which works in every mode.

    Attributes:
        single_env: one world by itself. Its arguments, spaces, vocabulary and starts are those of every row.
        latencies: milliseconds by stage of the last step of the whole batch.

    Args:
        num_envs: worlds, at least 1.
        world: see `WorldModelEnv`, as for all arguments up to `report_latencies`.
        checkpoint: name of a shipped checkpoint or a folder of your own.
        render_mode: None or "rgb_array" (the last frames, one a world).
        device: where the model runs, as torch names it.
        compiled: run it through `torch.compile`: the first steps take a minute or two, the others less than without.
        num_denoising_steps: decoder calls a chunk; None takes the checkpoint's.
        temperature: scale of the decoder's initial noise; None takes the checkpoint's.
        context_noise: standard deviation of the noise on the latents that each step goes on from.
        guidance_scale: classifier-free guidance on the action; 1 is off.
        state_guidance_scale: the same on the latent state.
        sampling: how chunks are drawn one after the other, "autoregressive" or "swin"; None as the checkpoint was
            trained for.
        max_uncertainty: truncate a world once the model's uncertainty of it exceeds this, which
            `infos["uncertainty_stop"]` then tells from other ends; None never does.
        starts: what episodes begin at instead of the checkpoint's start observations, also after an autoreset.
        sample_outcomes: draw rewards and ends from the model's probabilities instead of taking their medians.
        report_latencies: put the latencies into the infos.
        max_episode_steps: truncate a world after so many steps; None never does. `gym.make_vec` fills in the id's.
        autoreset_mode: an `AutoresetMode`, or its value: "NextStep", "SameStep" or "Disabled".

    Raises:
        ValueError: an unknown world, a checkpoint that cannot be loaded, or an argument out of range.
    """

    single_class: ClassVar[type[WorldModelEnv]] = WorldModelEnv

    def __init__(
        self,
        num_envs: int = 1,
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
        max_episode_steps: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    ) -> None:
        self.num_envs = check_count("num_envs", num_envs)
        self._limit = math.inf if max_episode_steps is None else check_count("max_episode_steps", max_episode_steps)
        self._mode = check_mode(autoreset_mode)
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode of a vector env must be None or 'rgb_array', got {render_mode!r}")
        self.single_env = self.single_class(
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
        )
        self._max_uncertainty = max_uncertainty
        self._report_latencies = report_latencies
        self.render_mode = render_mode
        fps = self.single_env.metadata["render_fps"]
        self.metadata = {"render_modes": ["rgb_array"], "render_fps": fps, "autoreset_mode": self._mode}
        self.single_observation_space = self.single_env.observation_space
        self.single_action_space = self.single_env.action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self.latencies: dict[str, float] = {}
        self._generators: list[tuple[np.random.Generator, int]] = [seeding.np_random() for _ in range(self.num_envs)]
        self._state: VectorEnvState | None = None

    @property
    def world(self) -> str:
        """The name of the world."""
        return self.single_env.world

    @property
    def model(self) -> WorldModel:
        """The world model that all rows share."""
        return self.single_env.model

    @property
    def action_phrases(self) -> dict[str, tuple[str, ...]]:
        """The texts that the world was trained on: name of the action -> its phrasings, the first the canonical one."""
        return self.single_env.action_phrases

    def get_action_meanings(self) -> list[str]:
        """The canonical text of every action that the world knows."""
        return self.single_env.get_action_meanings()

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """Each world's generator, as `gymnasium.vector.SyncVectorEnv` gives them."""
        return tuple(generator for generator, _ in self._generators)

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """What each world's generator was seeded with."""
        return tuple(seed for _, seed in self._generators)

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Observations, dict[str, Any]]:
        """Start an episode in every world, or in some.

        Args:
            seed: an integer (world i takes seed + i), one for each world (None leaves that world's generator), or None.
            options: `reset_mask`, a bool array that chooses the worlds to reset, at least one; and where they start,
                the same for all of them: see `WorldModelEnv`.

        Returns:
            The observations of all worlds, and the infos of those that were reset.

        Raises:
            ValueError: the options or seeds do not fit. The env stays as it was.
            gymnasium.error.ResetNeeded: a mask before the first reset.
            gymnasium.error.ClosedEnvironmentError: after `close`.
        """
        self._check_open("reset")
        mask, start = None, options
        if isinstance(options, dict) and "reset_mask" in options:
            mask = check_mask(options["reset_mask"], self.num_envs)
            start = {name: value for name, value in options.items() if name != "reset_mask"}
        seeds = each_seed(seed, self.num_envs)
        infos: dict[str, Any] = {}
        if mask is None or mask.all():
            rows = list(range(self.num_envs))
            worlds, event = self._begin_worlds(rows, infos, seeds, start)
            self._state = VectorEnvState(
                world_state=worlds,
                ended=np.zeros(self.num_envs, np.bool_),
                elapsed_steps=np.zeros(self.num_envs, np.int64),
                world=self.single_env.world,
                events=(event,) * self.num_envs if event else (),
            )
        else:
            state, rows = self._current_state(), np.flatnonzero(mask).tolist()
            self._state = state.begin(rows, *self._begin_worlds(rows, infos, seeds, start))
        self.latencies = {}
        return self._observe(self._state.observation), infos

    def step(self, actions: Any) -> Step:
        """Take one action in every world.

        Args:
            actions: one a world, each as the single env takes it. Those of rows that this step resets are ignored.

        Returns:
            observations, rewards, terminations, truncations, infos.

        Raises:
            ValueError: another number of actions, or one that breaks the rule. The env stays as it was.
            gymnasium.error.ResetNeeded: before the first reset, or for rows that ended and that no autoreset revives.
            gymnasium.error.ClosedEnvironmentError: after `close`.
        """
        state = self._running_state()
        begins = state.ended
        world_state, output = self.model.step(
            state.world_state,
            each_action(actions, begins, self._read),
            events=[("" if begins[row] else event) for row, event in enumerate(state.events)] or None,
            **self.single_env.step_arguments.keywords(),
        )
        elapsed_steps = state.elapsed_steps + 1
        terminations = as_array(output.terminated, np.bool_) & ~begins
        values = step_values(output, self._max_uncertainty)
        if state.events:
            values["event"] = np.array([event or None for event in state.events], dtype=object)
        unsure = values.get("uncertainty_stop", False)
        truncations = (unsure | (elapsed_steps >= self._limit)) & ~begins
        rewards = np.where(begins, 0.0, as_array(output.reward, np.float64))
        ended = terminations | truncations
        stepped = replace(state, world_state=world_state, ended=ended, elapsed_steps=elapsed_steps, events=())
        self.latencies = {stage: 1000 * seconds for stage, seconds in output.latencies.items()}
        restarts = ended if self._mode is AutoresetMode.SAME_STEP else begins
        infos = self._step_infos(values, stepped, restarts)
        self._state = self._restart(stepped, restarts, infos)
        return self._observe(self._state.observation), rewards, terminations, truncations, infos

    def happen(self, events: Sequence[str]) -> None:
        """Tell what happens to the worlds beside their next actions; see `WorldModelEnv.happen`.

        Args:
            events: one a world, "" for nothing. Those of rows that the next step resets are ignored.

        Raises:
            ValueError: another number of events, or one that breaks the rule. The env stays as it was.
            gymnasium.error.ResetNeeded: before the first reset, or for rows that ended and that no autoreset revives.
            gymnasium.error.ClosedEnvironmentError: after `close`.
        """
        self._check_open("happen")
        self._state = replace(self._running_state(), events=each_event(events, self.num_envs))

    def render(self) -> tuple[Frame, ...] | None:
        """The last frame of every world, uint8 (height, width, 3), copies; None (and a warning) without a render mode.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
            gymnasium.error.ClosedEnvironmentError: after `close`.
        """
        self._check_open("render")
        if self.render_mode is None:
            gym.logger.warn("render() needs a render mode; make the env with render_mode='rgb_array'")
            return None
        return tuple(self._current_state().observation[:, -1])

    def clone_state(self, include_rng: bool = False) -> VectorEnvState:
        """The whole state of all episodes, over or not, which later steps do not change.

        Args:
            include_rng: also keep the worlds' generators, so that later resets repeat as well. The worlds' own noise
                repeats in any case.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
            gymnasium.error.ClosedEnvironmentError: after `close`.
        """
        self._check_open("clone_state")
        states = tuple(generator.bit_generator.state for generator in self.np_random) if include_rng else None
        return self._current_state().copy(states)

    def restore_state(self, state: Any) -> None:
        """Go back to a cloned state: what follows repeats bit for bit.

        Args:
            state: from `clone_state` of a vector env with the same checkpoint and as many worlds.

        Raises:
            ValueError: it is something else. The env stays as it was.
            gymnasium.error.ClosedEnvironmentError: after `close`.
        """
        self._check_open("restore_state")
        if not isinstance(state, VectorEnvState):
            raise ValueError(f"state must come from clone_state() of a vector env, got {type(state).__name__}")
        if state.world_state.batch_size != self.num_envs:
            raise ValueError(
                f"state must hold {self.num_envs} worlds, got {state.world_state.batch_size}; "
                "restore it in an env with as many"
            )
        check_same_world(state.world, self.single_env.world)
        if state.rng is not None and len(state.rng) != self.num_envs:
            raise ValueError(f"state must hold {self.num_envs} generators, got {len(state.rng)}; clone it again")
        self.model.check_state(state.world_state)
        restored = replace(state.copy(None), world_state=state.world_state.to(self.model.device))
        for generator, saved in zip(self.np_random, state.rng or [None] * self.num_envs, strict=True):
            if saved is not None:
                generator.bit_generator.state = saved
        self._state = restored

    def close_extras(self, **kwargs: Any) -> None:
        """Let the worlds go."""
        self._state = None
        self.single_env.close()

    def _read(self, action: Any) -> Action:
        """One world's action as the model takes it."""
        if isinstance(action, np.ndarray):
            return scale_numbers(action, *self.single_env.control_range)
        return check_text(action)

    def _observe(self, chunks: Chunks) -> Observations:
        """The observations of the worlds' chunks."""
        return chunks

    def _begin_worlds(
        self, rows: list[int], infos: dict[str, Any], seeds: list[int | None], options: dict[str, Any] | None
    ) -> tuple[WorldState, str]:
        """States that begin episodes in `rows`, and what happens in their first step.

        Each one is the single env's reset, with the row's own generator.

        The generators change once all of them have begun; what the resets say is added to `infos`.
        """
        env, states, generators = self.single_env, [], {}
        for row in rows:
            seed, (env.np_random, known) = seeds[row], self._generators[row]
            _, info = env.reset(seed=seed, options=options)
            self._add_info(infos, info, row)
            states.append(env.clone_state())
            generators[row] = env.np_random, known if seed is None else seed
        for row, generator in generators.items():
            self._generators[row] = generator
        return WorldState.cat([state.world_state for state in states]), states[-1].event

    def _restart(self, state: VectorEnvState, dead: Rows, infos: dict[str, Any]) -> VectorEnvState:
        """New episodes in the dead rows, if there are any."""
        rows = np.flatnonzero(dead).tolist()
        if not rows:
            return state
        return state.begin(rows, *self._begin_worlds(rows, infos, [None] * self.num_envs, None))

    def _step_infos(self, values: dict[str, Any], stepped: VectorEnvState, restarts: Rows) -> dict[str, Any]:
        """The infos of a step; with SAME_STEP, those of rows that ended stand in `final_info`."""
        if self._report_latencies:
            values["latencies"] = {stage: np.full(self.num_envs, spent) for stage, spent in self.latencies.items()}
        infos = masked(values, ~restarts)
        if self._mode is AutoresetMode.SAME_STEP:
            infos |= finals(self._observe(stepped.observation), values, restarts)
        return infos

    def _check_open(self, name: str) -> None:
        """Refuse a closed env.

        Raises:
            gymnasium.error.ClosedEnvironmentError: after `close`.
        """
        if self.closed:
            raise ClosedEnvironmentError(f"{name} must not be called after close(), got a closed env; make another one")

    def _current_state(self) -> VectorEnvState:
        """The state.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset.
        """
        if self._state is None:
            raise ResetNeeded("all worlds must be reset before the first step, render or clone_state; call reset()")
        return self._state

    def _running_state(self) -> VectorEnvState:
        """The state of episodes that can go on, or that this step may reset.

        Raises:
            gymnasium.error.ResetNeeded: before the first reset, or for rows that no autoreset revives.
            gymnasium.error.ClosedEnvironmentError: after `close`.
        """
        self._check_open("step")
        state = self._current_state()
        if state.ended.any() and self._mode is not AutoresetMode.NEXT_STEP:
            rows = np.flatnonzero(state.ended).tolist()
            raise ResetNeeded(
                f"step must not be called after the end, got worlds {rows} that ended; "
                'call reset(options={"reset_mask": terminations | truncations})'
            )
        return state

"""Imagined futures: many action sequences lived in the learned world, in as few model calls as memory allows.

Worlds that ended leave the batch, so they cost nothing more. The cost of what is left is that of `step`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor
from tqdm import tqdm

from wm_gym.actions import Action, check_text
from wm_gym.step_output import StepOutput
from wm_gym.world_state import WorldState

CPU_MEMORY_LIMIT = 2**26  # bytes; more worlds a call are no faster on a CPU
GPU_MEMORY_SHARE = 0.25  # of what is free
STATES_PER_STEP = 4  # the state before, the one after, and about as much again while the step computes
BAR_DELAY = 2.0  # seconds before a progress bar shows


@runtime_checkable
class Step(Protocol):
    """One transition of every world in a batch, as `WorldModel.step`."""

    def __call__(self, state: WorldState, actions: Sequence[Action], /) -> tuple[WorldState, StepOutput]:
        """The next states and what is seen there."""
        ...


@dataclass(frozen=True, eq=False)
class Rollout:
    """Imagined futures, one a row. What comes after the end of an episode, or was never imagined, is 0.

    Attributes:
        rewards: of each step.
        terminated: whether that step ended the episode.
        termination_probabilities: what `terminated` was thresholded from; or, with `sample_outcomes`, drawn from.
        uncertainties: of each step, as in `StepOutput`.
        num_steps: steps imagined of each sequence: all of them, or those up to the end of its episode.
        completed: whether each sequence was imagined to its end; False where the rollout was stopped before.
        model_steps: world steps that the model computed.
        frames: the chunk after each step, uint8, the last one repeated after an end; None where not asked for.
        state: the worlds after their last imagined step; None where not asked for.
    """

    rewards: Float[Tensor, "plans steps"]
    terminated: Bool[Tensor, "plans steps"]
    termination_probabilities: Float[Tensor, "plans steps"]
    uncertainties: Float[Tensor, "plans steps"]
    num_steps: Int64[Tensor, "plans"]
    completed: Bool[Tensor, "plans"]
    model_steps: int
    frames: UInt8[Tensor, "plans steps frames height width 3"] | None
    state: WorldState | None

    def returns(self, discount: float = 1.0) -> Float[Tensor, "plans"]:
        """Discounted sum of the rewards of each future."""
        powers = discount ** torch.arange(self.rewards.shape[1], device=self.rewards.device)
        return (self.rewards * powers).sum(dim=1)


class RolloutInterrupted(KeyboardInterrupt):
    """Ctrl-C during a rollout. What was imagined until then is in `rollout`."""

    def __init__(self, rollout: Rollout) -> None:
        super().__init__("rollout interrupted; what was imagined until then is in .rollout of this exception")
        self.rollout = rollout


def roll_out(
    step: Step,
    state: WorldState,
    action_sequences: Sequence[Sequence[Action]],
    *,
    keep_frames: bool = False,
    keep_state: bool = False,
    share_prefixes: bool = False,
    memory_limit: int | None = None,
    should_stop: Callable[[], bool] | None = None,
    progress: bool = False,
) -> Rollout:
    """Imagine the future of every action sequence; see `WorldModel.rollout`, which says what the arguments are."""
    check_action_sequences(action_sequences, state.batch_size)
    least = STATES_PER_STEP * state.nbytes // state.batch_size  # a world that the caller did not limit is stepped
    limit = max(default_memory_limit(state.seeds.device), least) if memory_limit is None else memory_limit
    most = _worlds_within(limit, state)
    num_plans = len(action_sequences)
    record = _Record(state, num_plans, len(action_sequences[0]), keep_frames, keep_state)
    with tqdm(total=num_plans * record.horizon, unit="step", delay=BAR_DELAY, disable=not progress) as bar:
        try:
            for start in range(0, num_plans, most):
                rows = list(range(start, min(start + most, num_plans)))
                for finished in _imagine(step, state, action_sequences, rows, record, share_prefixes, should_stop):
                    bar.update(finished)
        except KeyboardInterrupt as interrupt:
            raise RolloutInterrupted(record.close()) from interrupt
    return record.close()


def check_action_sequences(action_sequences: object, batch_size: int) -> None:
    """Check what a rollout is given, before anything is computed.

    Raises:
        ValueError: there is no sequence, one is empty or of another length than the first or no sequence of actions,
            or there is neither one state nor one a sequence.
    """
    rule = "action_sequences must be a non-empty list of equally long lists of actions"
    if isinstance(action_sequences, str | WorldState) or not isinstance(action_sequences, Sequence | np.ndarray):
        raise ValueError(f"{rule}, got {type(action_sequences).__name__}; pass one list of actions a future")
    if not len(action_sequences):
        raise ValueError(f"{rule}, got none; pass one list of actions a future")
    for row, actions in enumerate(action_sequences):
        is_list = isinstance(actions, Sequence) or (isinstance(actions, np.ndarray) and actions.ndim > 0)
        if isinstance(actions, str) or not is_list:
            raise ValueError(f"{rule}, got {actions!r} at {row}; wrap it in a list")
        for action in actions:
            if not isinstance(action, np.ndarray):
                check_text(action)
    lengths = sorted({len(actions) for actions in action_sequences})
    if lengths[0] == 0 or len(lengths) > 1:
        raise ValueError(f"{rule}, got lengths {lengths}; pad the shorter ones, or roll them out in calls of their own")
    if batch_size not in (1, len(action_sequences)):
        raise ValueError(
            f"state must hold one world, or one for each of {len(action_sequences)} action sequences, "
            f"got {batch_size}; choose with state.select or fork with state.repeat"
        )


def default_memory_limit(device: torch.device) -> int:
    """Bytes that a model call's worlds may take: 64 MiB on a CPU, a quarter of the free memory on a GPU."""
    if device.type != "cuda":
        return CPU_MEMORY_LIMIT
    free, _ = torch.cuda.mem_get_info(device)
    return int(GPU_MEMORY_SHARE * free)


def _worlds_within(memory_limit: int, state: WorldState) -> int:
    """Worlds of one model call.

    Raises:
        ValueError: not even one fits.
    """
    per_world = STATES_PER_STEP * state.nbytes // state.batch_size
    if not isinstance(memory_limit, int) or memory_limit < per_world:
        rule = f"memory_limit must be an integer of at least {per_world} bytes, what one world takes"
        raise ValueError(f"{rule}, got {memory_limit}")
    return memory_limit // per_world


class _Record:
    """What the model answered so far, sequence by sequence."""

    def __init__(self, state: WorldState, num_plans: int, horizon: int, keep_frames: bool, keep_state: bool) -> None:
        device, shape = state.seeds.device, (num_plans, horizon)
        self.state, self.horizon, self.keep_state = state, horizon, keep_state
        self.rewards = torch.zeros(shape, device=device)
        self.probabilities = torch.zeros(shape, device=device)
        self.uncertainties = torch.zeros(shape, device=device)
        self.terminated = torch.zeros(shape, dtype=torch.bool, device=device)
        self.num_steps = torch.zeros(num_plans, dtype=torch.int64, device=device)
        self.frames = state.frames.new_zeros((*shape, *state.frames.shape[1:])) if keep_frames else None
        self.finals: list[tuple[list[int], WorldState]] = []
        self.model_steps = 0

    def write(self, time: int, rows: Sequence[int], worlds: Sequence[int], output: StepOutput) -> None:
        """Keep one step: `worlds` are the rows of `output` that the sequences `rows` are in."""
        into = torch.tensor(rows, device=self.rewards.device)
        of = torch.tensor(worlds, device=self.rewards.device)
        self.rewards[into, time] = output.reward[of].to(self.rewards)
        self.probabilities[into, time] = output.termination_probability[of].to(self.rewards)
        self.uncertainties[into, time] = output.uncertainty[of].to(self.rewards)
        self.terminated[into, time] = output.terminated[of]
        self.num_steps[into] = time + 1
        self.model_steps += len(output.reward)
        if self.frames is not None:
            self.frames[into, time] = output.frames[of]

    def finish(self, rows: Sequence[int], worlds: Sequence[int], state: WorldState) -> None:
        """Keep the last states of sequences."""
        if self.keep_state and len(rows):
            self.finals.append((list(rows), state.select(worlds)))

    def close(self) -> Rollout:
        """All that is there."""
        ended = self.terminated.any(dim=1)
        return Rollout(
            rewards=self.rewards,
            terminated=self.terminated,
            termination_probabilities=self.probabilities,
            uncertainties=self.uncertainties,
            num_steps=self.num_steps,
            completed=ended | (self.num_steps == self.horizon),
            model_steps=self.model_steps,
            frames=self._held_frames(),
            state=self._final_state() if self.keep_state else None,
        )

    def _held_frames(self) -> Tensor | None:
        """The frames, each sequence's last one held to the horizon; the first observation where none was imagined."""
        if self.frames is None:
            return None
        last = (self.num_steps - 1).clamp(min=0)
        times = torch.minimum(torch.arange(self.horizon, device=last.device)[None], last[:, None])
        held = self.frames[torch.arange(len(last), device=last.device)[:, None], times]
        started = (self.num_steps > 0)[:, None, None, None, None, None]
        return torch.where(started, held, self.state.frames[:, None])

    def _final_state(self) -> WorldState:
        """The last states in the order of the sequences; those that never began are where they started."""
        known = {row for rows, _ in self.finals for row in rows}
        begun = [row for row in range(len(self.num_steps)) if row not in known]
        sources = [0] * len(begun) if self.state.batch_size == 1 else begun
        finals = [*self.finals, (begun, self.state.select(sources))] if begun else self.finals
        order = np.argsort([row for rows, _ in finals for row in rows])
        return WorldState.cat([state for _, state in finals]).select(order)


def _imagine(
    step: Step,
    state: WorldState,
    plans: Sequence[Sequence[Action]],
    rows: list[int],
    record: _Record,
    share_prefixes: bool,
    should_stop: Callable[[], bool] | None,
) -> Iterator[int]:
    """Live the sequences `rows` in one batch; yields how many of their steps are done."""
    worlds = {row: 0 if state.batch_size == 1 else row for row in rows}  # sequence -> its world in `state`
    here = list(rows)  # sequences that go on
    try:
        for time in range(record.horizon):
            if not here or (should_stop is not None and should_stop()):
                break
            actions = [plans[row][time] for row in here]
            parents, places, said = _branch([worlds[row] for row in here], actions, share_prefixes)
            before = state if parents == list(range(state.batch_size)) else state.select(parents)
            state, output = step(before, said)
            worlds = dict(zip(here, places, strict=True))
            record.write(time, here, places, output)
            ended = output.terminated.tolist()
            done = [row for row in here if ended[worlds[row]]]
            record.finish(done, [worlds[row] for row in done], state)
            here = [row for row in here if not ended[worlds[row]]]
            yield len(places) + len(done) * (record.horizon - time - 1)
    finally:
        record.finish(here, [worlds[row] for row in here], state)


def _branch(
    worlds: Sequence[int], actions: Sequence[Action], share_prefixes: bool
) -> tuple[list[int], list[int], list[Action]]:
    """Which worlds to step: their parents, where each sequence is among them, and what is said to them.

    Sequences in one world that say the same are one world where prefixes are shared.
    """
    if not share_prefixes:
        return list(worlds), list(range(len(worlds))), list(actions)
    places: list[int] = []
    known: dict[tuple[int, str | bytes], int] = {}
    parents: list[int] = []
    said: list[Action] = []
    for world, action in zip(worlds, actions, strict=True):
        key = (world, action if isinstance(action, str) else np.asarray(action, np.float32).tobytes())
        if key not in known:
            known[key] = len(parents)
            parents.append(world)
            said.append(action)
        places.append(known[key])
    return parents, places, said

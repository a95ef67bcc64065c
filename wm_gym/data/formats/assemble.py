"""Episodes from the arrays that other formats store, whose counts and flags differ."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from wm_gym.data.episode import Episode
from wm_gym.data.formats.action_table import as_numbers
from wm_gym.data.formats.pictures import Chunks, resize
from wm_gym.data.formats.source import ImportConfig

DROPPED = "the last action, after which nothing was observed, was dropped with its reward and end"
REPEATED = "the last frame was repeated after the last action, after which nothing was observed"
UNFLAGGED = "the end had no flag and was set to truncated"
CUT = "steps after the first end were dropped"


@dataclass(kw_only=True, eq=False)
class RawEpisode:
    """The arrays of an episode as stored.

    Attributes:
        where: the file and the index, for errors.
        chunks: as many as actions, or one more.
        actions: texts, indices or rows of numbers, one a step.
        rewards: one a step; None where none are stored.
        terminated: one flag a step; None where none are stored.
        truncated: one flag a step; None where none are stored.
        done: one flag a step that tells no termination from a time limit; None where none are stored.
        controls: rows of numbers, NaN where the action is a text, beside `actions` that are texts.
        world_events: what happened beside each action, "" for nothing; empty where nothing ever did.
        seed: the reset seed, None when unknown.
        info: facts about the episode.
    """

    where: str
    chunks: Chunks
    actions: Sequence[Any] | np.ndarray
    rewards: np.ndarray | None = None
    terminated: np.ndarray | None = None
    truncated: np.ndarray | None = None
    done: np.ndarray | None = None
    controls: np.ndarray | None = None
    world_events: tuple[str, ...] = ()
    seed: int | None = None
    info: dict[str, str] = field(default_factory=dict)


def assemble(raw: RawEpisode, config: ImportConfig, index: int, notes: dict[str, int]) -> Episode:
    """Makes an episode of T actions and T+1 observations.

    Args:
        raw: what is stored.
        config: what to do where formats differ.
        index: the episode's number, from which phrasings are drawn.
        notes: gets what was done to the episode.

    Raises:
        ValueError: the arrays do not go together; names the file and the index.
    """
    try:
        texts, controls = _translate(raw, config, index)
        num_steps = len(texts)
        rewards = np.zeros(num_steps) if raw.rewards is None else _column(raw.rewards, num_steps, "rewards")
        if not np.isfinite(rewards).all():
            step = int(np.flatnonzero(~np.isfinite(rewards))[0])
            raise ValueError(f"rewards must be finite, got {rewards[step]} at step {step}; repair it")
        terminated, truncated = _ends(raw, config, num_steps)
        chunks, num_steps = _pair(raw, config, num_steps, notes)
        num_steps = _end(terminated, truncated, num_steps, num_steps == len(texts), notes)
        world_events = raw.world_events[:num_steps]
        return Episode(
            observations=resize(chunks[: num_steps + 1], config.frame_size),
            actions=texts[:num_steps],
            rewards=rewards[:num_steps].astype(np.float32),
            terminated=terminated[:num_steps],
            truncated=truncated[:num_steps],
            controls=None if controls is None else controls[:num_steps],
            world_events=world_events if any(world_events) else (),
            seed=raw.seed,
            info=raw.info,
        )
    except ValueError as error:
        raise error if str(error).startswith(raw.where) else ValueError(f"{raw.where}: {error}") from error


def _translate(raw: RawEpisode, config: ImportConfig, index: int) -> tuple[tuple[str, ...], np.ndarray | None]:
    """The actions as texts and numbers."""
    actions = raw.actions
    if len(actions) == 0:
        raise ValueError("actions must hold at least 1 action, got 0; leave the episode out")
    if config.action_table is not None and isinstance(actions[0], str):
        raise ValueError(f"actions are texts already (such as {actions[0]!r}); leave --action-texts out")
    if config.action_table is not None:
        return config.action_table.say(np.asarray(actions), (0, index), raw.where), None
    if all(isinstance(action, str) for action in actions):
        return tuple(map(str, actions)), raw.controls
    numbers = as_numbers(actions, raw.where)
    return ("",) * len(numbers), numbers


def _column(values: np.ndarray, num_steps: int, name: str) -> np.ndarray:
    """One value a step; formats that store one for the first observation too are refused."""
    column = np.asarray(values).reshape(-1)
    if len(column) != num_steps:
        raise ValueError(f"{name} must be one a step, {num_steps}, got {len(column)}; repair it")
    return column


def _ends(raw: RawEpisode, config: ImportConfig, num_steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The flags of both kinds of ends."""
    flags = {"terminated": np.zeros(num_steps, np.bool_), "truncated": np.zeros(num_steps, np.bool_)}
    for name, stored in (("terminated", raw.terminated), ("truncated", raw.truncated)):
        if stored is not None:
            flags[name] = _column(stored, num_steps, name).astype(np.bool_)
    if raw.done is not None:
        done = _column(raw.done, num_steps, "done").astype(np.bool_)
        known = flags["terminated"] | flags["truncated"]
        flags[config.done_means] |= done & ~known
    return flags["terminated"], flags["truncated"]


def _end(terminated: np.ndarray, truncated: np.ndarray, num_steps: int, is_whole: bool, notes: dict[str, int]) -> int:
    """The steps up to the first end; where there is none, the last step is flagged as truncated, in place."""
    ends = np.flatnonzero((terminated | truncated)[:num_steps])
    if not len(ends):
        truncated[num_steps - 1] = True
        if is_whole:  # the note on a dropped action tells this too
            notes[UNFLAGGED] = notes.get(UNFLAGGED, 0) + 1
        return num_steps
    if ends[0] + 1 < num_steps:
        notes[CUT] = notes.get(CUT, 0) + 1
    return int(ends[0]) + 1


def _pair(raw: RawEpisode, config: ImportConfig, num_steps: int, notes: dict[str, int]) -> tuple[Chunks, int]:
    """Observations and the number of steps that go with them."""
    chunks = raw.chunks
    if len(chunks) == num_steps + 1:
        return chunks, num_steps
    if len(chunks) != num_steps:
        raise ValueError(f"observations must be as many as the {num_steps} actions or one more, got {len(chunks)}")
    if config.last_action == "repeat":
        notes[REPEATED] = notes.get(REPEATED, 0) + 1
        return np.concatenate([chunks, chunks[-1:]]), num_steps
    if num_steps == 1:
        raise ValueError("observations must be at least 2, got 1; leave the episode out")
    notes[DROPPED] = notes.get(DROPPED, 0) + 1
    return chunks, num_steps - 1

"""What is in a dataset, counted over its episodes one at a time."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from wm_gym.data.episode import Episode
from wm_gym.data.manifest import Manifest

MAX_DISTINCT = 32  # values of a fact that are told apart; more are no kinds of episodes but their names


@dataclass(kw_only=True)
class Contents:
    """Counts that grow with each episode; their size does not.

    Attributes:
        num_episodes: episodes that could be read.
        num_bytes: their size on disk.
        lengths: steps of an episode to how many have so many.
        ends: "terminated", "truncated", "both" or "no flag" to episodes.
        actions: action text to steps; "" for numbers too.
        num_controls: steps whose action was numbers.
        world_events: text of what happened beside the action to steps.
        rewards: reward to steps, for the first 32 distinct ones.
        num_rewarded: steps with a reward other than 0.
        reward_range: smallest and largest reward.
        return_range: smallest and largest sum of an episode's rewards.
        return_sum: sum over episodes of the rewards.
        facts: name of a fact about an episode (such as "layout") to its values to episodes; a fact of more than 32
            values has none.
        num_static: episodes in which no pixel ever changes.
    """

    num_episodes: int = 0
    num_bytes: int = 0
    lengths: Counter[int] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    num_controls: int = 0
    world_events: Counter[str] = field(default_factory=Counter)
    rewards: Counter[float] = field(default_factory=Counter)
    num_rewarded: int = 0
    reward_range: tuple[float, float] = (np.inf, -np.inf)
    return_range: tuple[float, float] = (np.inf, -np.inf)
    return_sum: float = 0.0
    facts: dict[str, Counter[str]] = field(default_factory=dict)
    num_static: int = 0

    def add(self, episode: Episode, num_bytes: int) -> None:
        """Counts an episode of so many bytes."""
        self.num_episodes += 1
        self.num_bytes += num_bytes
        self.lengths[episode.num_steps] += 1
        self.ends[end_of(episode)] += 1
        self.actions.update(episode.actions)
        self.world_events.update(filter(None, episode.world_events))
        if episode.controls is not None:
            self.num_controls += int(np.isfinite(episode.controls).all(axis=1).sum())
        self._add_rewards(episode)
        for name, value in episode.info.items():
            self._add_fact(name, value)
        self.num_static += bool((episode.observations == episode.observations[:1, :1]).all())

    def _add_rewards(self, episode: Episode) -> None:
        rewards = episode.rewards[np.isfinite(episode.rewards)]
        if not len(rewards):
            return
        self.num_rewarded += int((rewards != 0).sum())
        self.reward_range = _widen(self.reward_range, rewards)
        total = float(rewards.sum(dtype=np.float64))
        self.return_sum += total
        self.return_range = _widen(self.return_range, np.array([total]))
        for value, count in zip(*np.unique(rewards, return_counts=True), strict=True):
            if float(value) in self.rewards or len(self.rewards) <= MAX_DISTINCT:
                self.rewards[float(value)] += int(count)

    def _add_fact(self, name: str, value: str) -> None:
        if name not in self.facts and len(self.facts) >= MAX_DISTINCT:
            return
        counts = self.facts.setdefault(name, Counter())
        if len(counts) <= MAX_DISTINCT:
            counts[value] += 1

    @property
    def num_steps(self) -> int:
        """Steps in all episodes."""
        return sum(length * count for length, count in self.lengths.items())

    @property
    def median_length(self) -> int:
        """The (lower) median of the episodes' steps, 0 where there are none."""
        rest = (self.num_episodes + 1) // 2
        for length in sorted(self.lengths):
            rest -= self.lengths[length]
            if rest <= 0:
                return length
        return 0

    def actions_by_name(self, manifest: Manifest) -> dict[str, int]:
        """Action to steps, most frequent first; phrasings of one action are counted together, by its first text."""
        names = {text: options[0] for options in manifest.action_phrases.values() if options for text in options}
        counts: Counter[str] = Counter()
        for text, count in self.actions.items():
            counts[names.get(text, text)] += count
        if self.num_controls:  # their text is ""
            counts[names.get("", "")] -= self.num_controls
            counts["(numbers)"] += self.num_controls
        return {name: count for name, count in counts.most_common() if count > 0}


def end_of(episode: Episode) -> str:
    """How an episode ends: "terminated", "truncated", "both" or "no flag"."""
    flags = (bool(episode.terminated[-1]), bool(episode.truncated[-1]))
    return {(True, False): "terminated", (False, True): "truncated", (True, True): "both"}.get(flags, "no flag")


def _widen(span: tuple[float, float], values: np.ndarray) -> tuple[float, float]:
    return min(span[0], float(values.min())), max(span[1], float(values.max()))

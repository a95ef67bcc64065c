"""The names under which NumPy and HDF5 files keep an episode's arrays."""

from collections.abc import Iterable

ACTIONS = ("actions", "action", "texts")
REWARDS = ("rewards", "reward")
TERMINATED = ("terminated", "terminations", "terminals", "terminal", "is_terminal")
TRUNCATED = ("truncated", "truncations", "timeouts", "timeout")
DONE = ("dones", "done", "is_last")
IS_FIRST = ("is_first",)  # Dreamer's files: row t holds the action that led to observation t
SEED = ("seed",)


def find_name(names: Iterable[str], aliases: tuple[str, ...]) -> str | None:
    """The name, whose last part is one of the aliases, that stands the least deep; None where there is none."""
    found = [name for name in names if name.rpartition("/")[2] in aliases]
    return min(found, key=lambda name: (name.count("/"), aliases.index(name.rpartition("/")[2])), default=None)

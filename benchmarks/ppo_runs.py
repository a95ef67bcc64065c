"""Finished runs of `policies.ppo`, as they lie on disk."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any


def read_run(folder: Path, *, config: Sequence[str], final: Sequence[str], curve: str) -> dict[str, Any]:
    """What a finished run reached: its curve, its result on held-out layouts, and how it was run.

    Args:
        folder: the run's output.
        config: which options to tell.
        final: which figures of the result to tell, for each layout.
        curve: the figure that was watched while it trained.

    Raises:
        ValueError: the run is not finished, or `folder` holds none, or one that lacks what is asked for.
    """
    try:
        result = json.loads((folder / "result.json").read_text())
        progress = [json.loads(line) for line in (folder / "progress.jsonl").read_text().splitlines()]
        if not progress:
            raise ValueError("no line of progress")
        return {
            "final": {layout: {name: played[name] for name in final} for layout, played in result["real"].items()},
            "seconds": _seconds([point["seconds"] for point in progress]),
            "watch_episodes": result["config"]["watch_episodes"],
            "curve": [
                {"steps": point["steps"]} | {layout: played[curve] for layout, played in point["real"].items()}
                for point in progress
            ],
            "weights_hash": result["weights_hash"],
            "config": {name: result["config"][name] for name in config},
            "machine": result["machine"],
        }
    except (OSError, ValueError, KeyError) as error:
        what = f"without {error}" if isinstance(error, KeyError) else f"({error})"
        raise ValueError(
            f"a run must be a folder with result.json and progress.jsonl of today's policies.ppo, got {folder} {what}; "
            "run policies.ppo to its end"
        ) from error


def _seconds(clock: list[float]) -> float:
    """All of a run up to its last line of progress, whose clock began anew after each stop."""
    return sum(before for before, after in pairwise([*clock, 0.0]) if after < before)

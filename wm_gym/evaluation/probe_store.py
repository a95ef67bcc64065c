"""Keeps probes in a folder: collecting them costs a simulator's time, and every checkpoint can be shown the same."""

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from wm_gym.data.durable_writes import write_whole
from wm_gym.evaluation.probes import Probes, Vocabulary, collect_probes
from wm_gym.evaluation.twin import make_twin

FORMAT = "wm_gym probes 2"
_ARRAYS = ("clips", "outcomes", "valid", "chosen")


def save_probes(probes: Probes, path: Path) -> None:
    """Writes probes into a file, whole or not at all; its folder is made where missing."""
    facts = json.dumps({"format": FORMAT, "vocabulary": asdict(probes.vocabulary)})
    buffer = io.BytesIO()
    np.savez_compressed(buffer, facts=np.array(facts), **{name: getattr(probes, name) for name in _ARRAYS})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, buffer.getvalue())


def load_probes(path: Path) -> Probes:
    """Reads probes.

    Raises:
        ValueError: The file is none of `save_probes`.
        FileNotFoundError: There is no such file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            facts = json.loads(str(file["facts"]))
            if facts.get("format") != FORMAT:
                raise ValueError(f"format must be {FORMAT!r}, got {facts.get('format')!r}")
            arrays: dict[str, Any] = {name: file[name] for name in _ARRAYS}
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"probes must be a file that this version saved, got {path} ({error}); delete it") from error
    vocabulary = facts["vocabulary"]
    return Probes(vocabulary=Vocabulary(**vocabulary | {"visible": tuple(vocabulary["visible"])}), **arrays)


def stored_probes(
    folder: Path | None,
    twin: str,
    policy: str,
    *,
    split: str,
    num_probes: int,
    seed: int,
    num_steps: int | None = None,
    on_probe: Callable[[int], object] = int,
) -> Probes:
    """Reads the probes of a twin from a folder, or collects and keeps them.

    Args:
        folder: Where they are kept; None keeps none.
        twin: Gymnasium id of the twin.
        policy: Who leads from moment to moment, as "module:factory".
        split: The twin's layouts.
        num_probes: How many to collect.
        seed: Of the episodes.
        num_steps: Steps for which an action is held; None is the twin's own number.
        on_probe: Told how many probes each moment gave, while they are collected.

    Raises:
        ValueError: The twin cannot be probed, or what is kept is of another vocabulary or broken.
        gymnasium.error.DependencyNotInstalled: The twin's simulator is missing.
    """
    env = make_twin(twin, split=split)
    try:
        vocabulary = Vocabulary.of(env, num_steps)
        path = folder and folder / f"{vocabulary.world}-{split}-{num_probes}-{seed}.npz"
        if path and path.is_file():
            probes = load_probes(path)
            if probes.vocabulary != vocabulary:
                raise ValueError(f"probes must be of {vocabulary}, got {probes.vocabulary} in {path}; delete it")
            return probes
        probes = collect_probes(env, policy, num_probes=num_probes, seed=seed, num_steps=num_steps, on_probe=on_probe)
        if path:
            save_probes(probes, path)
        return probes
    finally:
        env.close()

"""Write recordings again with the texts of their latent actions: an ordinary dataset whose labels are pseudo labels."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor
from tqdm import tqdm

from wm_gym.checkpoint_manifest import CheckpointError
from wm_gym.data.dataset import Dataset, DatasetWriter
from wm_gym.data.episode import Episode
from wm_gym.data.manifest import Manifest
from wm_gym.training.latent_actions.checkpoint import LatentActions
from wm_gym.training.latent_actions.gate import MIN_SHUFFLE_RATIO
from wm_gym.training.latent_actions.labels import NOTHING, Agreement, LabelReport, fit_labeller
from wm_gym.training.latent_actions.steps import LabelledSteps, check_frames, read_labelled, read_steps


def relabel(
    latent: LatentActions,
    recordings: Dataset,
    labelled: Dataset,
    output: Path,
    *,
    max_labelled_steps: int | None = None,
    max_episodes: int | None = None,
    compare: bool = False,
    seed: int = 0,
    progress: bool = True,
) -> LabelReport:
    """Label recordings, one episode at a time; run it again after a stop, it goes on where it was.

    Everything but actions, `action_phrases` and `key_map` stays as it is; numbers that were actions are dropped.

    Args:
        latent: latent actions with an open gate.
        recordings: what to label.
        labelled: a few labelled minutes of the same world.
        output: the new dataset's folder.
        max_labelled_steps: learn from so many labelled steps; None takes all.
        max_episodes: label so many episodes; None labels all.
        compare: count how many labels agree with the texts that `recordings` have themselves.
        seed: of the classifiers, and of the phrasings.
        progress: show a progress bar.

    Returns:
        What was learned.

    Raises:
        CheckpointError: the gate is closed.
        DatasetError: frames of another kind, no labelled steps to learn from, or an output that cannot be written.
    """
    check_gate(latent)
    check_frames(latent, recordings)
    known = read_labelled(latent, labelled, max_labelled_steps)
    labeller, report = fit_labeller(known, latent.model.config.num_codes, seed)
    count = min(len(recordings), max_episodes or len(recordings))
    origin = f"{latent.fingerprint[:12]}, {labelled.fingerprint[:12]}, {len(known.actions)} steps, seed {seed}"
    with DatasetWriter.open(output, _manifest(recordings.manifest, labelled.manifest, known, origin)) as writer:
        num_written, truth = len(writer), None
        for index in tqdm(range(count), "labelling", unit="episode", disable=not progress, leave=False):
            if index < num_written and not compare:
                continue
            episode = recordings[index]
            steps = read_steps(latent, episode.observations)
            actions = labeller.label(steps)
            if compare:
                found = Agreement.of(known.names, _own_actions(episode, known), actions, steps.visible)
                truth = found if truth is None else truth + found
            if index >= num_written:
                writer.append(_labelled(episode, actions, known, (seed, index)))
        return replace(report, num_episodes=len(writer), truth=truth)


def check_gate(latent: LatentActions) -> None:
    """Refuse codes that mean nothing.

    Raises:
        CheckpointError: the gate is closed.
    """
    if not latent.gate.is_open:
        raise CheckpointError(
            f"latent actions must have an action-shuffle ratio of at least {MIN_SHUFFLE_RATIO} to label with, got "
            f"{latent.gate.shuffle_ratio:.2f}: their decoder hardly reads the codes; train them longer, on more "
            "recordings, or with other --num-codes"
        )


def _labelled(episode: Episode, actions: Int[Tensor, " steps"], known: LabelledSteps, seed: tuple[int, int]) -> Episode:
    """The episode with the texts of these actions, each a phrasing that is drawn, as recordings have them."""
    rng = np.random.default_rng(seed)
    texts = []
    for number in actions.tolist():
        phrases = ("",) if number == NOTHING else known.phrases[known.names[number]]
        texts.append(phrases[int(rng.integers(len(phrases)))])
    info = {**episode.info, "actions": "pseudo labels"}
    return replace(episode, actions=tuple(texts), controls=None, info=info)


def _own_actions(episode: Episode, known: LabelledSteps) -> Int[Tensor, " steps"]:
    """The numbers of an episode's own actions.

    Raises:
        ValueError: one is not among the labelled actions.
    """
    numbers = {text: number for number, texts in enumerate(known.phrases.values()) for text in texts}
    if unknown := sorted(set(episode.actions) - numbers.keys()):
        raise ValueError(
            f"actions of the recordings must be among the labelled ones to compare, got {unknown[0]!r}; leave "
            "--compare out"
        )
    return torch.tensor([numbers[text] for text in episode.actions])


def _manifest(recordings: Manifest, labelled: Manifest, known: LabelledSteps, origin: str) -> Manifest:
    """The recordings' manifest with the labelled actions; the policy tells where the texts come from."""
    return replace(
        recordings,
        action_phrases=known.phrases,
        key_map=labelled.key_map,
        control_low=(),
        control_high=(),
        policy=f"{recordings.policy or 'unknown'} (pseudo labels: {origin})",
    )

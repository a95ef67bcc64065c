"""What a trained model must know of more worlds: their cards, start frames, rewards and numbers.

Nothing changes in the worlds that it knows already: new rewards begin less likely than the known ones, more numbers
begin without weight, and new phrasings, start frames and keys come after those that are there. Texts need nothing: the
tokenizer spells any of them in bytes, and a language model reads them.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace

import torch
from jaxtyping import UInt8
from torch import Tensor

from wm_gym.actions import check_text
from wm_gym.checkpoint import Parts
from wm_gym.data.dataset import Dataset
from wm_gym.data.manifest import DatasetError
from wm_gym.training.presets import (
    MAX_STARTS_OF_WORLD,
    ships_starts,
    start_frames,
    world_card,
)
from wm_gym.training.reward_table import MAX_REWARD_VALUES, reward_table
from wm_gym.transition.action_encoder import ActionEncoder
from wm_gym.transition.heads import Heads, HeadsConfig
from wm_gym.transition.language_action_encoder import LanguageActionEncoder, LanguageActionEncoderConfig
from wm_gym.world_card import ModelCard, WorldCard

NEW_REWARD_MARGIN = 4.0  # nats that all new rewards together begin below the mean of the known ones

Starts = UInt8[Tensor, "_ frames height width 3"]  # as many as a world has


def check_recording(card: ModelCard, dataset: Dataset) -> None:
    """Check that a checkpoint can train on a recording.

    Raises:
        DatasetError: frames of another shape, a world whose name cannot stand on a card, or texts that no learned
            world takes.
    """
    manifest = dataset.manifest
    if manifest.frame_size != card.frame_size:
        height, width = card.frame_size
        raise DatasetError(
            f"frame_size of {dataset.folder} must be {card.frame_size} as in the checkpoint, got "
            f"{manifest.frame_size}; record with --frame-size {height} {width}"
        )
    if manifest.chunk_frames != card.chunk_frames:
        raise DatasetError(
            f"chunk_frames of {dataset.folder} must be {card.chunk_frames} as in the checkpoint, got "
            f"{manifest.chunk_frames}; record an env whose observations hold {card.chunk_frames} frames each"
        )
    if not manifest.world.replace("-", "_").isidentifier():
        raise DatasetError(
            f"world of {dataset.folder} must be letters, digits, - and _, got {manifest.world!r}; give the env an "
            "attribute `world` and record again, or change the name in manifest.json"
        )
    try:
        for text in dataset.action_texts:
            check_text(text)
        for text in dataset.event_texts:
            check_text(text, "world event")
    except ValueError as error:
        raise DatasetError(f"texts of {dataset.folder}: {error}; record with other texts") from error


def with_worlds(parts: Parts, data: Sequence[Dataset]) -> Parts:
    """The parts of a model that also has the worlds of the data; what the data add to known worlds is added there.

    Raises:
        DatasetError: a recording that does not fit the checkpoint (see `check_recording`), or one of a known world
            with another range of numbers.
        ValueError: numeric actions for a checkpoint without a language model, whose encoder alone takes them.
    """
    worlds = dict(parts.card.worlds)
    num_worlds = len(worlds.keys() | {dataset.manifest.world for dataset in data})
    rewards: set[float] = set()
    for dataset in data:
        check_recording(parts.card, dataset)
        table = reward_table(dataset, max(1, MAX_REWARD_VALUES // num_worlds))
        name, new = dataset.manifest.world, world_card(dataset, table)
        worlds[name] = _joined(worlds[name], new, dataset) if name in worlds else new
        rewards |= set(table.values)
    return replace(
        parts,
        card=replace(parts.card, worlds=worlds, metrics={}, weights_hash=""),  # what was measured was another model
        heads=_heads_with(parts.heads, rewards),
        action_encoder=_action_encoder_with(
            parts.action_encoder, max(len(dataset.manifest.control_low) for dataset in data)
        ),
        starts=_starts_with(parts.starts, data),
    )


def _joined(known: WorldCard, new: WorldCard, dataset: Dataset) -> WorldCard:
    """A world's card with what a recording adds to it."""
    ranges = (known.control_low, known.control_high), (new.control_low, new.control_high)
    if all(low for low, _ in ranges) and ranges[0] != ranges[1]:
        raise DatasetError(
            f"control_low and control_high of {dataset.folder} must be {ranges[0]} as in the checkpoint's "
            f"{dataset.manifest.world}, got {ranges[1]}; record with that range, or under another world's name"
        )
    low, high = ranges[0] if known.control_low else ranges[1]
    return replace(
        known,
        action_phrases=_phrases_with(known.action_phrases, new.action_phrases),
        key_map={**new.key_map, **known.key_map},
        reward_range=(
            min(known.reward_range[0], new.reward_range[0]),
            max(known.reward_range[1], new.reward_range[1]),
        ),
        control_low=low,
        control_high=high,
    )


def _phrases_with(
    known: Mapping[str, tuple[str, ...]], new: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """The known actions with new phrasings behind theirs, then actions that no phrasing was known of."""
    spoken = {text for texts in known.values() for text in texts}
    phrases = dict(known)
    for action, texts in new.items():
        if fresh := tuple(text for text in texts if text not in spoken):
            phrases[action] = (*known.get(action, ()), *fresh)
    return phrases


@torch.no_grad()
def _heads_with(heads: Heads, rewards: Iterable[float]) -> Heads:
    """Heads that can also say these rewards; until trained, all of these together are unlikely."""
    known = tuple(heads.config["reward_values"])
    values = tuple(sorted({*known, *rewards}))
    if len(values) == len(known):
        return heads
    config = HeadsConfig(reward_values=values, width=heads.config["width"], num_heads=heads.config["num_heads"])
    with torch.random.fork_rng(devices=[]):
        wider: Heads = Heads.build(config).to(heads.device)
    places = [*(values.index(value) for value in known), len(values)]  # the last row is the termination's
    weights = heads.state_dict()
    below = NEW_REWARD_MARGIN + math.log(len(values) - len(known))
    for name, offset in (("readout.weight", 0.0), ("readout.bias", -below)):
        old = weights[name]
        rows = (old[:-1].mean(dim=0, keepdim=True) + offset).repeat(len(values) + 1, *[1] * (old.ndim - 1))
        rows[places] = old
        weights[name] = rows
    wider.load_state_dict(weights)
    wider.eval()
    return wider


def _action_encoder_with(
    encoder: ActionEncoder | LanguageActionEncoder, num_controls: int
) -> ActionEncoder | LanguageActionEncoder:
    """An encoder that takes at least so many numbers; until trained, those beyond the known ones do not matter."""
    if not num_controls or (isinstance(encoder, LanguageActionEncoder) and num_controls <= encoder.max_controls):
        return encoder
    if not isinstance(encoder, LanguageActionEncoder):
        raise ValueError(
            "checkpoint must read texts with a language model to take numeric actions, got one with a tokenizer of its "
            "own; train one with --size.language minilm, or record texts alone"
        )
    kept = {field.name: encoder.config[field.name] for field in fields(LanguageActionEncoderConfig)}
    with torch.random.fork_rng(devices=[]):
        config = LanguageActionEncoderConfig(**{**kept, "max_controls": num_controls})
        wider: LanguageActionEncoder = LanguageActionEncoder.build(config).to(encoder.device)
    weights = encoder.state_dict()
    values, present = weights["controls.0.weight"].chunk(2, dim=1)
    more = values.new_zeros(len(values), num_controls - encoder.max_controls)
    wider.load_state_dict({**weights, "controls.0.weight": torch.cat([values, more, present, more], dim=1)})
    wider.eval()
    return wider


def _starts_with(starts: Mapping[str, Starts], data: Sequence[Dataset]) -> dict[str, Starts]:
    """The start frames with those of the recordings behind the known ones, whose indices stay."""
    joined = dict(starts)
    for dataset in data:
        world = dataset.manifest.world
        if not ships_starts(world):
            continue
        new = start_frames(dataset, MAX_STARTS_OF_WORLD)
        known = joined.get(world, new[:0])
        seen = {frames.numpy().tobytes() for frames in known}
        fresh = [frames for frames in new if frames.numpy().tobytes() not in seen]
        joined[world] = torch.cat([known, torch.stack(fresh)]) if fresh else known
    return joined

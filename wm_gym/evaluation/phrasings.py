"""The texts that action following is measured with: trained ones, unseen ones, other worlds' and meaningless ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from wm_gym.evaluation.speech import fold
from wm_gym.evaluation.twin import Env
from wm_gym.world_card import WorldCard

Phrases = Mapping[str, tuple[str, ...]]

NONSENSE = (
    "recite a poem about the sea",
    "what is the capital of portugal",
    "bake a lemon cake for sunday",
    "my favourite colour is purple",
    "seven times eight is fifty-six",
    "remember to call your grandmother",
    "translate this letter into latin",
    "the train to vienna was late again",
    "who wrote the brothers karamazov",
    "blorp zindle farkum",
    "xq7 vv lorem kkj",
    "add two spoons of sugar and some milk",
    "the orchestra is tuning its violins",
    "please proofread my thesis",
    "it rained all week in bergen",
    "how old is the moon",
    "sell my shares before christmas",
    "that novel has no happy ending",
    "compose a haiku about autumn",
    "is this seat taken",
    "the committee approved the budget",
    "whistle a tune by schubert",
    "order a pizza with olives",
    "history repeats itself, they say",
)
"""Texts that ask for nothing that any world has. Frozen: no recording says them."""


@dataclass(frozen=True, kw_only=True)
class Phrasings:
    """Texts by kind and by action.

    Attributes:
        trained: those on the checkpoint's card.
        unseen: those that the twin keeps for tests.
        transfer: those that only recordings of other worlds say.
        nonsense: those that mean nothing.
    """

    trained: Phrases
    unseen: Phrases
    transfer: Phrases
    nonsense: tuple[str, ...] = NONSENSE

    @classmethod
    def of(cls, env: Env, card: WorldCard) -> "Phrasings":
        """The texts for a checkpoint in a world; what its card has is trained, wherever else it stands."""
        known = {fold(text) for texts in card.action_phrases.values() for text in texts}
        return cls(
            trained=card.action_phrases,
            unseen=_unknown(getattr(env.unwrapped, "unseen_phrases", {}), known),
            transfer=_unknown(getattr(env.unwrapped, "transfer_phrases", {}), known),
            nonsense=tuple(text for text in NONSENSE if fold(text) not in known),
        )


def draw_texts(phrases: Phrases, names: Sequence[str], seed: int) -> list[str]:
    """A text for each action, drawn uniformly among its phrasings."""
    rng = np.random.default_rng([seed, 5])
    return [phrases[name][int(rng.integers(len(phrases[name])))] for name in names]


def _unknown(phrases: Phrases, known: set[str]) -> Phrases:
    """The phrasings that are not known, of the actions that have any."""
    left = {name: tuple(text for text in texts if fold(text) not in known) for name, texts in phrases.items()}
    return {name: texts for name, texts in left.items() if texts}

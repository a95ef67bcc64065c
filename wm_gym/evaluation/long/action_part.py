"""Sequences of actions: how well a dream does them, and whether it chooses their futures among others."""

import numpy as np
from tqdm import tqdm

from wm_gym.evaluation.inverse_dynamics import train_inverse_dynamics
from wm_gym.evaluation.long.action_fidelity import action_fidelity
from wm_gym.evaluation.long.choice import step_wise_choice
from wm_gym.evaluation.long.drift_part import Keep, Pictures
from wm_gym.evaluation.long.judges import (
    ClassifierRoundJudge,
    RoundJudge,
    StateRoundJudge,
    load_judge,
    nearest_judge,
)
from wm_gym.evaluation.long.sequences import ActionSequence, collect_sequences
from wm_gym.evaluation.long.stage import Stage
from wm_gym.evaluation.phrasings import draw_texts
from wm_gym.evaluation.probe_store import stored_probes
from wm_gym.evaluation.probes import Vocabulary
from wm_gym.evaluation.states import reader_of
from wm_gym.evaluation.world_plans import PLANS

_SHOWN = 3  # sequences on the contact sheet


def measure_action_part(stage: Stage, keep: Keep) -> None:
    """Dreams `sequences` sequences of `rounds` actions, has them judged, and lets them choose their futures.

    Args:
        stage: The world.
        keep: Given the numbers and the pictures.
    """
    plan = PLANS.get(stage.config.world)
    stage.say("probing actions in the real twin")
    vocabulary = Vocabulary.of(stage.env, plan.probe_steps if plan else None)
    sequences = collect_sequences(
        stage.env,
        plan.mixed if plan else stage.config.policies[0],
        vocabulary,
        num_sequences=stage.long.sequences,
        num_rounds=stage.long.rounds,
        seed=stage.config.seed,
    )
    if not sequences:
        keep({"n": 0, "why": f"no action showed {stage.long.rounds} times in a row"}, {})
        return
    name, judge = choose_judge(stage, vocabulary)
    texts = _texts(stage, vocabulary, sequences)
    stage.say("dreaming action sequences")
    shown = _dream(stage, vocabulary, sequences, texts)
    fidelity = action_fidelity(sequences, texts, list(shown), vocabulary, judge, name)
    real = np.stack([[played.true for played in each.rounds] for each in sequences])
    keep(
        {
            "fidelity": fidelity.to_json(),
            "choice": _choices(stage, sequences, shown),
            "real_choice": _choices(stage, sequences, real),
        },
        _pictures(sequences, texts, shown, real, fidelity.scores),
    )


def choose_judge(stage: Stage, vocabulary: Vocabulary) -> tuple[str, RoundJudge]:
    """The judge that was asked for, or the world's own, with its name.

    Raises:
        ValueError: There is no such judge, or the world's states cannot be read by the one asked for.
    """
    plan, reader = PLANS.get(stage.config.world), reader_of(stage.env, stage.config.world)
    by_state = reader is not None and plan is not None and plan.judged_by_state
    name = stage.long.judge or ("state" if by_state else "inverse-dynamics")
    if name == "state":
        if reader is None:
            raise ValueError(f'judge must be able to read states, got "state" for {stage.config.world!r}; take another')
        return name, StateRoundJudge(reader)
    if name == "inverse-dynamics":
        return name, _classifier(stage, vocabulary)
    return name, nearest_judge if name == "nearest" else load_judge(name)


def _classifier(stage: Stage, vocabulary: Vocabulary) -> ClassifierRoundJudge:
    """Trains the inverse dynamics on probes of the training split."""
    stage.say("training the judge")
    config, following = stage.config, stage.following
    plan = PLANS.get(config.world)
    probes = stored_probes(
        following.probes,
        config.twin,
        plan.mixed if plan else config.policies[0],
        split="train",
        num_probes=following.num_training_probes,
        seed=config.seed,
        num_steps=vocabulary.num_steps,
    )
    with tqdm(total=following.classifier_iterations, desc=f"{config.world}: judge", delay=2.0) as bar:
        classifier = train_inverse_dynamics(
            probes.cases(), num_iterations=following.classifier_iterations, seed=config.seed, on_iteration=bar.update
        )
    return ClassifierRoundJudge(classifier)


def _texts(stage: Stage, vocabulary: Vocabulary, sequences: list[ActionSequence]) -> list[list[str]]:
    """A trained phrasing for each round."""
    names = [[vocabulary.names[played.label] for played in each.rounds] for each in sequences]
    phrases = {name: texts for name, texts in stage.card.action_phrases.items() if texts}
    return [draw_texts(phrases, row, stage.config.seed + number) for number, row in enumerate(names)]


def _dream(stage: Stage, vocabulary: Vocabulary, sequences: list[ActionSequence], texts: list[list[str]]) -> np.ndarray:
    """What the dream shows: (sequences, rounds, steps, height, width, 3)."""
    held = vocabulary.num_steps
    actions = [[text for text in row for _ in range(held)] for row in texts]
    frames = stage.dream_frames([each.clip for each in sequences], [each.seed for each in sequences], actions)
    return frames.reshape(len(sequences), -1, held, *frames.shape[2:])


def _choices(stage: Stage, sequences: list[ActionSequence], shown: np.ndarray) -> list[dict[str, object]]:
    """Choices round by round: the same candidates for dream and reality."""
    return [
        step_wise_choice(
            [each.rounds[number] for each in sequences],
            list(shown[:, number]),
            num_candidates=stage.long.candidates,
            rng=np.random.default_rng([stage.config.seed, 11, number]),
        ).to_json()
        for number in range(stage.long.rounds)
    ]


def _pictures(
    sequences: list[ActionSequence], texts: list[list[str]], shown: np.ndarray, real: np.ndarray, scores: np.ndarray
) -> Pictures:
    before = np.stack([each.clip[-1] for each in sequences[:_SHOWN]])[:, None]
    return {
        "dream": np.concatenate([before, shown[:_SHOWN, :, -1]], axis=1),
        "real": np.concatenate([before, real[:_SHOWN, :, -1]], axis=1),
        "texts": np.array(texts[:_SHOWN]),
        "scores": scores[:_SHOWN],
    }

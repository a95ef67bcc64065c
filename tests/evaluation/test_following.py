"""Action following of a model that knows MiniGrid and of one that knows nothing."""

from dataclasses import replace

import numpy as np
import pytest

from wm_gym.evaluation.following import Dreamer, FollowingReport, NearestJudge, Share, StateJudge, measure_following
from wm_gym.evaluation.phrasings import Phrasings
from wm_gym.evaluation.probes import Cases, Probes
from wm_gym.evaluation.states import StateReader
from wm_gym.evaluation.twin import Env
from wm_gym.world_model import WorldModel


@pytest.fixture(scope="module")
def cases(probes: Probes) -> Cases:
    return probes.cases()


@pytest.fixture(scope="module")
def shipped() -> WorldModel:
    return WorldModel.from_pretrained("minigrid")


def follow(model: WorldModel, env: Env, reader: StateReader, cases: Cases, phrasings: Phrasings) -> FollowingReport:
    """Measures with the exact states as the judge."""
    return measure_following(Dreamer(model=model), StateJudge(reader), cases, phrasings, num_training_probes=0)


@pytest.fixture(scope="module")
def report(shipped: WorldModel, twin_env: Env, reader: StateReader, cases: Cases) -> FollowingReport:
    world = shipped.card.worlds["minigrid"]
    phrasings = replace(Phrasings.of(twin_env, world), transfer={"turn left": ("rotate left",)})
    return follow(shipped, twin_env, reader, cases, phrasings)


def test_trained_model_follows_trained_texts(report: FollowingReport) -> None:
    assert report.to_json()["trained"]["share"] >= 0.95
    assert report.to_json()["trained"]["n"] == 28


def test_transfer_counts_the_actions_that_have_any(report: FollowingReport) -> None:
    assert report.kinds["transfer"].n == {"turn left": 4}
    assert report.kinds["transfer"].followed["turn left"] >= 3  # its words are trained ones here


def test_wrong_texts_make_wrong_dreams(report: FollowingReport) -> None:
    assert report.shuffle_ratio > 20


def test_meaningless_texts_are_compared_with_idling(report: FollowingReport) -> None:
    assert report.nonsense.n == {"wait": 4}
    assert report.distances["wait_to_real"] < 1
    assert report.distances["nonsense_to_real"] >= 0


def test_judge_is_right_about_real_frames(report: FollowingReport) -> None:
    assert report.to_json()["real"]["share"] == 1.0


def test_dreams_look_like_the_real_outcome(report: FollowingReport) -> None:
    nearest = report.to_json()["nearest"]
    assert nearest["trained"]["share"] >= 0.95
    assert nearest["trained"]["n"] == 28


def test_real_frames_are_nearest_to_themselves(cases: Cases) -> None:
    assert NearestJudge().follows(cases, cases.outcomes).all()


def test_frames_of_another_action_are_nearer_to_it(cases: Cases) -> None:
    others = cases.probes.outcomes[cases.moments, (cases.labels + 1) % 7]
    follows = NearestJudge().follows(cases, others)
    same = (others == cases.outcomes).all(axis=(1, 2, 3, 4))
    np.testing.assert_array_equal(follows, same)


def test_ignorant_model_does_not_follow(
    random_model: WorldModel, twin_env: Env, reader: StateReader, cases: Cases
) -> None:
    phrasings = Phrasings.of(twin_env, random_model.card.worlds["minigrid"])
    report = follow(random_model, twin_env, reader, cases, phrasings)
    assert report.to_json()["trained"]["share"] == 0.0
    assert report.shuffle_ratio == pytest.approx(1.0, abs=0.1)
    assert report.to_json()["transfer"] is None


def test_case_has_the_same_noise_under_every_text(shipped: WorldModel, cases: Cases) -> None:
    once, again = (Dreamer(model=shipped, batch_size=size).dream(cases, ["wait"] * 28) for size in (28, 28))
    np.testing.assert_array_equal(once, again)
    assert once.shape == cases.outcomes.shape


class FirstIsIllegible(StateJudge):
    """Does not understand the first case, whatever is shown."""

    def follows(self, cases: Cases, frames: np.ndarray) -> np.ndarray:
        """All others as the states say."""
        return super().follows(cases, frames) & (np.arange(len(cases.labels)) > 0)


def test_case_that_the_judge_misreads_in_reality_does_not_count(
    shipped: WorldModel, twin_env: Env, reader: StateReader, cases: Cases
) -> None:
    phrasings = Phrasings.of(twin_env, shipped.card.worlds["minigrid"])
    chosen = cases.select(cases.labels < 2)
    report = measure_following(
        Dreamer(model=shipped), FirstIsIllegible(reader), chosen, phrasings, num_training_probes=0
    )
    assert sum(report.real.n.values()) == 8 and sum(report.real.followed.values()) == 7
    assert sum(report.kinds["trained"].n.values()) == 7
    assert report.nonsense.to_json() is None and report.distances == {}


def test_share_counts_by_action() -> None:
    share = Share.count(["a", "b", "a"], np.array([True, False, False]))
    data = share.to_json()
    assert data is not None
    assert (data["share"], data["n"]) == (1 / 3, 3)
    assert data["by_action"] == {"a": {"share": 0.5, "n": 2}, "b": {"share": 0.0, "n": 1}}
    assert data["interval"] == pytest.approx([0.0615, 0.7923], abs=5e-4)

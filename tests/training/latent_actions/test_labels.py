"""The labeller: visible steps by what changed, still ones by what changes least; and how its agreement is counted."""

import pytest
import torch

from wm_gym.training.latent_actions.labels import NOTHING, Agreement, Labeller, LabelReport, fit_labeller
from wm_gym.training.latent_actions.steps import LabelledSteps, Steps

PHRASES = {"go": ("go", "walk"), "turn": ("turn",), "wait": ("wait", "")}
GO, TURN, WAIT = range(3)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """These steps need no long fitting."""
    monkeypatch.setattr("wm_gym.training.latent_actions.map.NUM_ITERATIONS", 60)


def labelled(num_steps: int = 60) -> LabelledSteps:
    """Thirds of go (code 0), turn (code 1) and wait; every other go runs into a wall."""
    actions = torch.arange(num_steps) % 3
    visible = (actions == TURN) | ((actions == GO) & (torch.arange(num_steps) % 2 == 0))
    codes = torch.where(visible, actions, 0)
    features = torch.where(visible, actions.float() * 2 - 1, 0.0)[:, None]
    return LabelledSteps(steps=Steps(visible, features, codes), actions=actions, phrases=PHRASES)


def test_visible_steps_get_the_action_that_they_show() -> None:
    known = labelled()
    predicted = Labeller(known, num_codes=2).label(known.steps)
    visible = known.steps.visible
    assert torch.equal(predicted[visible], known.actions[visible])


def test_still_steps_get_the_action_that_most_surely_changes_nothing() -> None:
    labeller = Labeller(labelled(), num_codes=2)
    assert labeller.still_action == WAIT  # go is still too, but half of the time
    assert set(labeller.label(labelled().steps)[~labelled().steps.visible].tolist()) == {WAIT}


def test_an_action_seen_still_once_is_less_sure_than_one_seen_still_often() -> None:
    known = labelled()
    actions = known.actions.clone()
    actions[2] = TURN  # one step of 21 that is still
    assert Labeller(LabelledSteps(steps=known.steps, actions=actions, phrases=PHRASES), 2).still_action == WAIT


def test_without_labelled_still_steps_they_mean_do_nothing() -> None:
    known = labelled()
    seen = known.select(known.steps.visible)
    labeller, report = fit_labeller(seen, num_codes=2)
    assert labeller.still_action == NOTHING
    assert report.still_text == ""
    assert labeller.label(known.steps)[~known.steps.visible].unique().tolist() == [NOTHING]


def test_report_counts_held_out_steps_and_what_codes_mean() -> None:
    _, report = fit_labeller(labelled(), num_codes=3)
    assert report.num_labelled == 60
    assert report.held_out == Agreement(
        right={"go": 10, "turn": 20}, visible={"go": 10, "turn": 20}, num_still=30, num_still_right=20
    )
    assert report.codes == ({"go": 10}, {"turn": 20}, {})
    lines = "\n".join(report.lines())
    assert "60 labelled steps, each held out once: 100.0 % of 30 visible steps got the right action" in lines
    assert "of 30 steps in which no pixel changes, 66.7 %" in lines
    assert "code 1: turn 100 % (of 20)" in lines
    assert "code 2: in no labelled step" in lines
    assert "are called 'wait'" in lines


def test_held_out_agreement_of_random_labels_is_chance() -> None:
    known = labelled(150)
    generator = torch.Generator().manual_seed(0)
    shuffled = LabelledSteps(steps=known.steps, actions=torch.randint(2, (150,), generator=generator), phrases=PHRASES)
    _, report = fit_labeller(shuffled, num_codes=2)
    assert report.held_out.share == pytest.approx(0.5, abs=0.15)


def test_agreements_add_up() -> None:
    one = Agreement(right={"go": 1}, visible={"go": 2}, num_still=3, num_still_right=1)
    other = Agreement(right={"turn": 4}, visible={"go": 1, "turn": 4}, num_still=0, num_still_right=0)
    total = one + other
    assert total.visible == {"go": 3, "turn": 4}
    assert total.share == pytest.approx(5 / 7)
    assert total.lines("all")[1] == "  turn: 100.0 % of 4"


def test_report_without_visible_steps_is_no_division_by_zero() -> None:
    nothing = Agreement(right={}, visible={}, num_still=2, num_still_right=0)
    report = LabelReport(num_labelled=2, held_out=nothing, codes=({},), still_text="")
    assert "0.0 % of 0 visible steps" in report.lines()[0]

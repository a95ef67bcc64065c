"""The measurement of transfer from end to end, with a world that knows nothing and one that knows all."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.evaluation.untrained import write_untrained
from wm_gym.cli import main
from wm_gym.evaluation.config import FidelityConfig
from wm_gym.evaluation.transfer import evaluate_transfer
from wm_gym.evaluation.transfer_config import TransferConfig
from wm_gym.evaluation.transfer_report import PolicyTransfer, Side, TransferReport

TURNS = ('{"layout": "empty"}', '{"layout": "doorkey"}')
TRANSFER = TransferConfig(
    transfer=("random", "policies.random:sticky"), transfer_episodes=5, transfer_steps=3, twin_arguments=TURNS
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny world of MiniGrid with random weights."""
    return str(write_untrained(tmp_path_factory.mktemp("transfer"), "minigrid"))


@pytest.fixture(scope="module")
def report(checkpoint: str) -> TransferReport:
    config = FidelityConfig(checkpoint=checkpoint, batch_size=3)
    return evaluate_transfer(config, TRANSFER, progress=False)


def side(successes: int) -> Side:
    """Ten episodes of ten steps."""
    return Side(n=10, successes=successes, mean_return=successes / 10, mean_length=10.0)


def known_report(*successes: tuple[int, int]) -> TransferReport:
    """Policies with so many successes in ten real and ten dreamed episodes."""
    policies = tuple(
        PolicyTransfer(
            name=f"policy {index}", real=side(real), dream=side(dream), replayed=side(dream), same_outcome=1.0
        )
        for index, (real, dream) in enumerate(successes)
    )
    facts = {"checkpoint": "minigrid", "twin": "envs:real/MiniGrid-v0", "split": "test", "seed": 0}
    return TransferReport(config=TRANSFER, policies=policies, seeds=(1, 2), provenance=facts)


def test_every_policy_plays_all_episodes_on_all_sides(report: TransferReport) -> None:
    assert [each.name for each in report.policies] == ["random", "policies.random:sticky"]
    for policy in report.policies:
        assert (policy.real.n, policy.dream.n, policy.replayed.n) == (5, 5, 5)
        assert policy.real.mean_length <= 3
        assert 0 <= policy.same_outcome <= 1


def test_batches_are_whole_turns_of_the_twin_arguments(report: TransferReport) -> None:
    assert report.provenance["batch_size"] == 2  # 3 would begin the second batch with the wrong layout


def test_the_measurement_repeats_by_seed(report: TransferReport, checkpoint: str) -> None:
    again = evaluate_transfer(FidelityConfig(checkpoint=checkpoint, batch_size=3), TRANSFER, progress=False)
    assert again.policies == report.policies
    assert again.seeds == report.seeds


def test_ranking_reads_success(report: TransferReport) -> None:
    ranking = known_report((0, 1), (5, 5), (10, 9)).ranking()
    assert ranking == pytest.approx({"pearson": 1.0, "spearman": 1.0, "mmrv": 0.0}, abs=1e-9)
    swapped = known_report((0, 1), (5, 9), (10, 5)).ranking()
    assert swapped["mmrv"] == pytest.approx((0 + 0.5 + 0.5) / 3)
    assert known_report((3, 3)).ranking() == {"pearson": None, "spearman": None, "mmrv": None}


def test_a_report_is_json_and_a_table(report: TransferReport, tmp_path: Path) -> None:
    report.save(tmp_path / "new" / "transfer.json")
    values = json.loads((tmp_path / "new" / "transfer.json").read_text())
    assert values["num_policies"] == 2 and len(values["seeds"]) == 5
    assert values["policies"][0]["real"]["interval"][0] >= 0
    lines = known_report((2, 1), (9, 8)).table().splitlines()
    assert lines[2].split()[:4] == ["policy", "1", "90.0", "%"]  # the best one first
    assert lines[-1].startswith("ranking of 2 policies by success: Pearson 1.000, Spearman 1.000, MMRV 0.000")


def test_the_command_writes_numbers_and_a_plot(
    checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", checkpoint, "--transfer", "random", "random@0.5", "--transfer-episodes", "2"]
    arguments += ["--transfer-steps", "2", "--json", str(tmp_path / "transfer.json")]
    assert main(arguments) == 0
    assert "ranking of 2 policies" in capsys.readouterr().out
    assert (tmp_path / "transfer.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads((tmp_path / "transfer.json").read_text())["format"] == "wm_gym transfer 1"


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"transfer": ("nothing",)}, "transfer must name"),
        ({"twin_arguments": ('{"layout": "castle"}',)}, "twin must be the gym.make id .*layout must be one of"),
        ({"twin_arguments": ('{"height": 3}',)}, "twin must be the gym.make id of a real twin that takes"),
    ],
)
def test_bad_input_is_one_error(checkpoint: str, changes: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        evaluate_transfer(FidelityConfig(checkpoint=checkpoint), replace(TRANSFER, **changes), progress=False)

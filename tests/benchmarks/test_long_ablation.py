"""The table of checkpoints over long rollouts, on untrained worlds."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("minigrid", reason="states are compared with those of the real twin")

from benchmarks.long_ablation import LongAblationConfig, main, measure, render, split_sampling  # noqa: E402
from tests.evaluation.untrained import write_untrained  # noqa: E402


def test_every_checkpoint_dreams_the_same_rollouts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint = str(write_untrained(tmp_path, "minigrid"))
    config = LongAblationConfig(
        checkpoints=(checkpoint, f"{checkpoint}:swin", "minigrid"),
        steps=(1, 3),
        rollouts=3,
        batch_size=2,
        output=tmp_path / "results" / "long_ablation.json",
    )
    main(config)
    results = json.loads(config.output.read_text())
    assert render(results) in capsys.readouterr().out
    plain, swin, shipped = results["cases"]
    assert [case["checkpoint"] for case in results["cases"]] == list(config.checkpoints)
    assert plain["weights"] == swin["weights"] != shipped["weights"]
    assert {case["trained_for"] for case in results["cases"]} == {"autoregressive"}
    assert all(row["n"] == 3 for case in results["cases"] for row in case["steps"].values())
    assert shipped["steps"]["3"]["state_accuracy"] == 1.0
    assert plain["steps"]["3"]["state_accuracy"] == 0.0


def test_sampling_is_read_off_a_name() -> None:
    assert split_sampling("minigrid:swin") == ("minigrid", "swin")
    assert split_sampling("runs/a:b") == ("runs/a:b", None)
    assert split_sampling("minigrid") == ("minigrid", None)


@pytest.mark.parametrize("wrong", [{"checkpoints": ()}, {"steps": (4, 2)}, {"steps": (0, 2)}, {"rollouts": 0}])
def test_nothing_to_measure_is_refused(wrong: dict[str, tuple[int, ...] | int]) -> None:
    with pytest.raises(ValueError, match="checkpoints must name at least one, steps rise from 1, and rollouts"):
        measure(replace(LongAblationConfig(), **wrong))  # type: ignore[arg-type]

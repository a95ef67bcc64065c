"""The table of checkpoints over long rollouts, on untrained worlds."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

pytest.importorskip("minigrid", reason="states are compared with those of the real twin")

from benchmarks.kept_latents import keep_latents  # noqa: E402
from benchmarks.long_ablation import LongAblationConfig, main, measure, render, split_sampling  # noqa: E402
from tests.evaluation.untrained import write_untrained  # noqa: E402
from wm_gym.world_model import WorldModel  # noqa: E402


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


def test_latents_are_kept_on_demand() -> None:
    plain, kept = (WorldModel.from_pretrained("minigrid") for _ in range(2))
    keep_latents(kept)
    (starts,) = plain.starts.values()
    states = [model.reset(starts[:2], seeds=[0, 1]) for model in (plain, kept)]
    assert torch.equal(states[0].latents, states[1].latents)
    steps = [model.step(state, ["turn left"] * 2) for model, state in zip((plain, kept), states, strict=True)]
    (again, encoded), (drawn, as_drawn) = steps
    assert torch.equal(encoded.frames, as_drawn.frames)
    apart = (again.latents - drawn.latents).pow(2).mean(dim=2).sqrt().amax(dim=(1, 2, 3))
    torch.testing.assert_close(apart, encoded.uncertainty)  # which tells how far the two are apart
    assert encoded.uncertainty.min() > 0 and not as_drawn.uncertainty.any()


def test_sampling_is_read_off_a_name() -> None:
    assert split_sampling("minigrid:swin") == ("minigrid", "swin")
    assert split_sampling("runs/a:b") == ("runs/a:b", None)
    assert split_sampling("minigrid") == ("minigrid", None)


@pytest.mark.parametrize("wrong", [{"checkpoints": ()}, {"steps": (4, 2)}, {"steps": (0, 2)}, {"rollouts": 0}])
def test_nothing_to_measure_is_refused(wrong: dict[str, tuple[int, ...] | int]) -> None:
    with pytest.raises(ValueError, match="checkpoints must name at least one, steps rise from 1, and rollouts"):
        measure(replace(LongAblationConfig(), **wrong))  # type: ignore[arg-type]

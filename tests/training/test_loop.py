"""The loop learns, resumes bit for bit after a signal or a kill, and stops with a clear error before it does harm."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from tests.training.regression import Regression, regression_config
from wm_gym.training.loop import TrainingError, TrainResult, train

CONFIG = regression_config(num_iterations=20)
ROOT = Path(__file__).parents[2]


class Eventful(Regression):
    """A regression with something happening in its loss."""

    def __init__(self, event: Callable[[int, Tensor], Tensor]) -> None:
        super().__init__()
        self._event = event

    def loss(self, iteration: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        loss, metrics = super().loss(iteration, generator)
        return self._event(iteration, loss), metrics


def _signal_at(iteration: int, number: signal.Signals = signal.SIGTERM) -> Eventful:
    def event(now: int, loss: Tensor) -> Tensor:
        if now == iteration:
            os.kill(os.getpid(), number)
        return loss

    return Eventful(event)


def _poison_at(iteration: int, poison: Callable[[Tensor], Tensor]) -> Eventful:
    return Eventful(lambda now, loss: poison(loss) if now == iteration else loss)


def _train(output: Path, stage: Regression | None = None, **values: Any) -> TrainResult:
    return train(stage or Regression(), replace(CONFIG, **values), output, progress=False)


def _state(result: TrainResult) -> dict[str, Tensor]:
    return load_file(result.checkpoint / "state.safetensors")


def _equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def _start(output: Path, num_iterations: int, every: int, width: int, largest_file: int) -> subprocess.Popen[str]:
    values = map(str, (output, num_iterations, every, width, largest_file))
    command = [sys.executable, "-m", "tests.training.regression", *values]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    stage = Regression()
    _train(tmp_path, stage, num_iterations=200)
    assert sum(stage.losses[-10:]) < 0.5 * sum(stage.losses[:10])


def test_a_finished_training_reports_itself(tmp_path: Path) -> None:
    result = _train(tmp_path)
    assert (result.iteration, result.interrupted) == (20, False)
    assert result.checkpoint == tmp_path / "training" / "iteration_00000020"
    assert sorted(result.metrics) == ["absolute_error", "gradient_norm", "learning_rate", "loss"]


def test_the_product_holds_the_averaged_weights(tmp_path: Path) -> None:
    stage = Regression()
    result = _train(tmp_path, stage)
    averages = {key.removeprefix("ema/"): t for key, t in _state(result).items() if key.startswith("ema/")}
    assert _equal(load_file(tmp_path / "model.safetensors"), averages)
    assert not torch.equal(averages["0.weight"], stage.module.state_dict()["0.weight"])


def test_the_average_follows_the_weights_of_every_iteration(tmp_path: Path) -> None:
    weights: list[Tensor] = []

    def keep(now: int, loss: Tensor) -> Tensor:
        weights.append(stage.module.get_parameter("0.weight").detach().clone())
        return loss

    stage = Eventful(keep)
    state = _state(_train(tmp_path, stage))
    average = weights[0]
    for done, weight in enumerate([*weights[1:], state["module/0.weight"]]):
        average = average.lerp(weight, 1 - (1 + done) / (10 + done))
    torch.testing.assert_close(state["ema/0.weight"], average)


def test_a_product_is_there_at_every_checkpoint(tmp_path: Path) -> None:
    seen: list[bool] = []

    def look(now: int, loss: Tensor) -> Tensor:
        seen.append((tmp_path / "model.safetensors").exists())
        return loss

    _train(tmp_path, Eventful(look), checkpoint_every=5)
    assert seen == [False] * 5 + [True] * 15


def test_the_clock_asks_for_checkpoints_too(tmp_path: Path) -> None:
    _train(tmp_path, checkpoint_minutes=1e-9)
    names = sorted(path.name for path in (tmp_path / "training").iterdir())
    assert names == ["iteration_00000019", "iteration_00000020"]


def test_training_leaves_the_callers_random_state_alone(tmp_path: Path) -> None:
    stage = Regression()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    _train(tmp_path, stage)
    assert torch.equal(torch.rand(3), expected)


def test_frozen_parameters_stay(tmp_path: Path) -> None:
    stage = Regression()
    frozen = stage.module.get_parameter("0.weight").requires_grad_(False).clone()
    _train(tmp_path, stage)
    assert torch.equal(stage.module.get_parameter("0.weight"), frozen)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_iteration_with_a_checkpoint(tmp_path: Path, number: signal.Signals) -> None:
    result = _train(tmp_path, _signal_at(9, number))
    assert (result.iteration, result.interrupted) == (10, True)
    assert (result.checkpoint / "state.safetensors").exists()
    assert (tmp_path / "model.safetensors").exists()


def test_a_resume_equals_an_uninterrupted_training_bit_for_bit(tmp_path: Path) -> None:
    whole, first, second = Regression(), _signal_at(9), Regression()
    straight = _train(tmp_path / "straight", whole)
    _train(tmp_path / "cut", first)
    resumed = _train(tmp_path / "cut", second)
    assert first.losses + second.losses == whole.losses
    assert _equal(_state(straight), _state(resumed))


def test_training_killed_at_a_random_moment_ends_with_the_same_weights(tmp_path: Path) -> None:
    process = _start(tmp_path / "killed", num_iterations=400, every=3, width=8, largest_file=0)
    while process.poll() is None and not list((tmp_path / "killed" / "training").glob("iteration_*")):
        time.sleep(0.01)
    time.sleep(random.uniform(0, 0.1))
    process.kill()
    error = process.communicate()[1]
    assert process.returncode == -signal.SIGKILL, error
    killed = _train(tmp_path / "killed", num_iterations=400)
    straight = _train(tmp_path / "straight", num_iterations=400)
    assert _equal(_state(killed), _state(straight))
    products = [load_file(tmp_path / name / "model.safetensors") for name in ("killed", "straight")]
    assert _equal(*products)


def test_a_kill_in_the_middle_of_an_export_is_repaired_on_resume(tmp_path: Path) -> None:
    _train(tmp_path, _signal_at(9))
    (tmp_path / ".export").mkdir()
    (tmp_path / "model.safetensors").unlink()
    seen: list[bool] = []

    def look(now: int, loss: Tensor) -> Tensor:
        seen.append((tmp_path / "model.safetensors").exists())
        return loss

    _train(tmp_path, Eventful(look))
    assert seen[0]


def test_a_finished_training_that_is_run_again_only_exports(tmp_path: Path) -> None:
    _train(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    stage = Regression()
    result = _train(tmp_path, stage)
    assert (result.iteration, stage.losses) == (20, [])
    assert (tmp_path / "model.safetensors").exists()


def test_a_training_may_grow(tmp_path: Path) -> None:
    _train(tmp_path)
    assert _train(tmp_path, num_iterations=25).iteration == 25


def test_a_training_may_end_sooner(tmp_path: Path) -> None:
    _train(tmp_path, num_iterations=10)
    _train(tmp_path, num_iterations=20, checkpoint_every=12)
    assert _train(tmp_path, num_iterations=22).iteration == 22
    with pytest.raises(TrainingError, match="num_iterations must be at least the 22 of .*, got 15"):
        _train(tmp_path, num_iterations=15)


def test_resume_false_starts_again(tmp_path: Path) -> None:
    first, second = Regression(), Regression()
    _train(tmp_path, first)
    train(second, CONFIG, tmp_path, resume=False, progress=False)
    assert second.losses == first.losses


@pytest.mark.parametrize("poison", [lambda loss: loss * torch.nan, lambda loss: loss + torch.inf])
def test_a_loss_that_is_not_finite_stops_before_the_step(tmp_path: Path, poison: Callable[[Tensor], Tensor]) -> None:
    stage = _poison_at(7, poison)
    with pytest.raises(TrainingError, match=r"loss must be finite, got (nan|inf) at iteration 7; .*iteration_00000005"):
        _train(tmp_path, stage, checkpoint_every=5)
    assert all(bool(torch.isfinite(parameter).all()) for parameter in stage.module.parameters())
    assert _train(tmp_path).iteration == 20


def test_a_gradient_that_is_not_finite_stops_before_the_step(tmp_path: Path) -> None:
    stage = _poison_at(7, lambda loss: loss + (loss.sqrt() * 0).sqrt() * 0)  # sqrt has no derivative at 0
    with pytest.raises(
        TrainingError, match=r"gradient norm must be finite, got nan in 0\.weight, .* and 3 more at iteration 7"
    ):
        _train(tmp_path, stage, checkpoint_every=5)
    assert all(bool(torch.isfinite(parameter).all()) for parameter in stage.module.parameters())


def test_weights_that_are_not_finite_reach_no_checkpoint(tmp_path: Path) -> None:
    stage = Regression()
    with torch.no_grad():
        stage.module.get_parameter("4.bias").fill_(torch.inf)
    weight = stage.module.get_parameter("0.weight")
    blind = Eventful(lambda now, loss: weight.square().sum())  # finite, whatever the bias is
    blind.module = stage.module
    with pytest.raises(TrainingError, match=r"the parameter 4\.bias must be finite"):
        _train(tmp_path, blind, num_iterations=1)
    assert not (tmp_path / "training").exists()


def test_a_full_disk_keeps_the_checkpoint_before_it(tmp_path: Path) -> None:
    stage = Regression(width=2000)  # about 290 kB a checkpoint
    before = _state(_train(tmp_path, stage, num_iterations=10))
    process = _start(tmp_path, num_iterations=20, every=5, width=2000, largest_file=100_000)
    error = process.communicate(timeout=120)[1]
    kept = tmp_path / "training" / "iteration_00000010"
    assert process.returncode == 1
    assert f"the checkpoint {kept.with_name('iteration_00000015')} must fit on the disk" in error
    assert f"the last checkpoint is kept at {kept}" in error
    assert [path.name for path in kept.parent.iterdir()] == [kept.name]
    assert _equal(load_file(kept / "state.safetensors"), before)


def test_a_resume_with_another_configuration_is_refused(tmp_path: Path) -> None:
    _train(tmp_path)
    with pytest.raises(TrainingError, match=r"got learning_rate 0\.02 -> 0\.5; restore these values"):
        _train(tmp_path, learning_rate=0.5)


def test_a_resume_with_another_stage_configuration_is_refused(tmp_path: Path) -> None:
    train(Regression(), CONFIG, tmp_path, stage_config={"weight": 1.0}, progress=False)
    with pytest.raises(TrainingError, match=r"weight 1\.0 -> 2\.0"):
        train(Regression(), CONFIG, tmp_path, stage_config={"weight": 2.0}, progress=False)


def test_a_checkpoint_of_another_module_is_refused(tmp_path: Path) -> None:
    _train(tmp_path)
    with pytest.raises(TrainingError, match=r"iteration_00000020 must fit the module.*\(9, 4\), got .*\(8, 4\)"):
        _train(tmp_path, Regression(width=9))


def test_a_module_without_trained_parameters_is_refused(tmp_path: Path) -> None:
    stage = Regression()
    stage.module.requires_grad_(False)
    with pytest.raises(ValueError, match="unfreeze one"):
        _train(tmp_path, stage)


class Quiet(Regression):
    """A regression without dropout, whose noise is that of the batch: `factor` batches a call, as one."""

    def __init__(self, factor: int = 1) -> None:
        super().__init__()
        self.module.eval()
        self._factor = factor

    def loss(self, iteration: int, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        numbers = range(iteration * self._factor, (iteration + 1) * self._factor)
        each = [super(Quiet, self).loss(number, torch.Generator().manual_seed(number)) for number in numbers]
        return torch.stack([loss for loss, _ in each]).mean(), each[0][1]


def test_accumulated_batches_give_the_step_of_one_large_batch(tmp_path: Path) -> None:
    large, small = Quiet(factor=3), Quiet()
    _train(tmp_path / "large", large)
    result = _train(tmp_path / "small", small, accumulate=3)
    assert (result.iteration, len(small.losses)) == (20, 60)
    for one, other in zip(large.module.parameters(), small.module.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_bfloat16_is_of_products_alone(tmp_path: Path) -> None:
    full, half = Quiet(), Quiet()
    _train(tmp_path / "full", full)
    _train(tmp_path / "half", half, precision="bfloat16")
    assert {parameter.dtype for parameter in half.module.parameters()} == {torch.float32}
    assert half.losses != full.losses
    assert half.losses == pytest.approx(full.losses, rel=0.05)


def test_a_checkpoint_from_before_an_option_had_its_default(tmp_path: Path) -> None:
    record = _train(tmp_path).checkpoint / "training.json"
    values = json.loads(record.read_text())
    del values["config"]["loop"]["accumulate"], values["config"]["loop"]["precision"]
    record.write_text(json.dumps(values))
    assert _train(tmp_path, num_iterations=21).iteration == 21
    with pytest.raises(TrainingError, match="accumulate 1 -> 2"):
        _train(tmp_path, num_iterations=22, accumulate=2)


def _diverging_at(iteration: int) -> Eventful:
    """A stage whose loss jumps for good, without a NaN; its gradient stays."""
    return Eventful(lambda now, loss: loss + 1e4 if now >= iteration else loss)


def test_a_divergence_stops_with_the_last_good_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(TrainingError) as stopped:
        _train(tmp_path, _diverging_at(140), num_iterations=300, checkpoint_every=7, divergence_patience=20)
    message = str(stopped.value)
    assert "loss must stay below 10 times its running median, got 1e+04 at iteration 159" in message
    assert "since iteration 140" in message and "learning_rate (now 0.02)" in message
    assert f"kept at {tmp_path / 'training' / 'iteration_00000133'} (delete iteration_00000140)" in message
    assert _train(tmp_path, num_iterations=300).iteration == 300


def test_a_checkpoint_that_a_spike_held_up_is_made_up_for(tmp_path: Path) -> None:
    """The loss of iteration 140 alone is high, just when a checkpoint is due."""
    stage = Eventful(lambda now, loss: loss + 1e4 if now == 139 else loss)
    _train(tmp_path, stage, num_iterations=150, checkpoint_every=70)
    assert sorted(path.name for path in (tmp_path / "training").iterdir())[0] == "iteration_00000141"


def test_a_stop_in_trouble_keeps_the_checkpoint_before_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def event(now: int, loss: Tensor) -> Tensor:
        if now == 145:
            os.kill(os.getpid(), signal.SIGTERM)
        return loss + 1e4 if now >= 139 else loss

    result = _train(tmp_path, Eventful(event), num_iterations=300, checkpoint_every=60, divergence_patience=20)
    assert (result.iteration, result.interrupted) == (120, True)
    assert result.checkpoint.name == "iteration_00000120"
    assert "iterations from 139 on looked like a divergence and are not kept" in caplog.text


def test_a_divergence_is_let_go_where_it_is_wanted(tmp_path: Path) -> None:
    assert _train(tmp_path, _diverging_at(140), num_iterations=200, divergence_threshold=None).iteration == 200


def test_a_resume_with_changes_allowed_takes_a_lower_learning_rate(tmp_path: Path) -> None:
    _train(tmp_path, num_iterations=10)
    result = _train(tmp_path, num_iterations=12, learning_rate=1e-9, allow_changes=True)
    assert result.iteration == 12 and result.metrics["learning_rate"] < 1e-9
    with pytest.raises(TrainingError, match=r"weight None -> 1\.0"):
        train(Regression(), replace(CONFIG, allow_changes=True), tmp_path, stage_config={"weight": 1.0}, progress=False)


def test_sharding_alone_changes_nothing(tmp_path: Path) -> None:
    one, other = _train(tmp_path / "one"), _train(tmp_path / "other", shard=True)
    assert _equal(_state(one), _state(other))

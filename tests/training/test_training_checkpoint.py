"""Training checkpoints come back bit for bit, the last two are kept, and what does not fit is refused."""

from pathlib import Path

import pytest
import torch
from torch import nn

from wm_gym.training.ema import ExponentialMovingAverage, trained_parameters
from wm_gym.training.training_checkpoint import (
    TrainingCheckpoint,
    TrainingError,
    capture,
    checkpoint_paths,
    clear_checkpoints,
    describe_latest,
    read_checkpoint,
    restore,
    write_checkpoint,
)

Training = tuple[nn.Module, ExponentialMovingAverage, torch.optim.Optimizer]


def _training(seed: int, width: int = 4, steps: int = 0) -> Training:
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.Linear(width, 3))
    ema = ExponentialMovingAverage(module, 0.9)
    optimizer = torch.optim.AdamW(list(trained_parameters(module).values()), foreach=True)
    for step in range(steps):
        optimizer.zero_grad()
        module(torch.randn(8, 3)).square().mean().backward()
        optimizer.step()
        ema.update(step)
    return module, ema, optimizer


def _checkpoint(iteration: int) -> TrainingCheckpoint:
    return TrainingCheckpoint(iteration=iteration, config={"loop": {}}, tensors={"module/x": torch.ones(2)})


def test_restore_brings_back_every_tensor_bit_for_bit(tmp_path: Path) -> None:
    before = capture(*_training(seed=0, steps=3))
    path = write_checkpoint(tmp_path, TrainingCheckpoint(iteration=3, config={}, tensors=before))
    other = _training(seed=1)
    restore(read_checkpoint(path).tensors, *other)
    after = capture(*other)
    assert after.keys() == before.keys()
    assert all(torch.equal(after[key], before[key]) for key in before)


def test_restored_optimizer_takes_the_same_next_step() -> None:
    first, second = _training(seed=0, steps=3), _training(seed=1)
    restore(capture(*first), *second)
    for module, _, optimizer in (first, second):
        optimizer.zero_grad()
        module(torch.arange(12.0).view(4, 3)).square().mean().backward()
        optimizer.step()
    pairs = zip(first[0].parameters(), second[0].parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_capture_keeps_tied_weights_once_and_restores_both() -> None:
    first, second = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
    second.weight = first.weight
    module = nn.Sequential(first, second)
    ema = ExponentialMovingAverage(module, 0.9)
    optimizer = torch.optim.AdamW(module.parameters())
    tensors = {key: tensor.clone() for key, tensor in capture(module, ema, optimizer).items()}
    with torch.no_grad():
        first.weight.zero_()
    restore(tensors, module, ema, optimizer)
    assert sorted(tensors) == ["ema/0.weight", "module/0.weight"]
    assert torch.equal(second.weight, tensors["module/0.weight"])


def test_frozen_weights_and_buffers_are_restored_too() -> None:
    module, ema, optimizer = _training(seed=0)
    captured = {key: tensor.clone() for key, tensor in capture(module, ema, optimizer).items()}
    captured["module/1.running_mean"] += 1
    restore(captured, module, ema, optimizer)
    assert torch.equal(module.state_dict()["1.running_mean"], captured["module/1.running_mean"])


def test_a_wrong_shape_is_named_and_changes_nothing() -> None:
    tensors = capture(*_training(seed=0, width=4, steps=1))
    other = _training(seed=1, width=5)
    before = {key: tensor.clone() for key, tensor in capture(*other).items()}
    with pytest.raises(ValueError, match=r"'module/0.weight' must be .*\(5, 3\), got .*\(4, 3\)"):
        restore(tensors, *other)
    assert all(torch.equal(tensor, before[key]) for key, tensor in capture(*other).items())


@pytest.mark.parametrize(("extra", "problem"), [(True, "has also 1"), (False, "lacks 1")])
def test_a_missing_or_unknown_tensor_is_named(extra: bool, problem: str) -> None:
    training = _training(seed=0, steps=1)
    tensors = capture(*training)
    if extra:
        tensors["module/9.weight"] = torch.zeros(1)
    else:
        del tensors["exp_avg_sq/0.weight"]
    with pytest.raises(ValueError, match=problem):
        restore(tensors, *training)


def test_the_last_two_checkpoints_are_kept(tmp_path: Path) -> None:
    for iteration in (5, 10, 100):
        write_checkpoint(tmp_path, _checkpoint(iteration))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["iteration_00000010", "iteration_00000100"]


def test_what_a_kill_left_is_no_checkpoint(tmp_path: Path) -> None:
    for leftover in (".partial", ".discarded"):
        (tmp_path / leftover).mkdir()
        (tmp_path / leftover / "state.safetensors").write_bytes(b"half")
    assert checkpoint_paths(tmp_path) == []
    write_checkpoint(tmp_path, _checkpoint(1))
    assert read_checkpoint(checkpoint_paths(tmp_path)[0]).iteration == 1


def test_a_cut_file_is_refused_by_name(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path, _checkpoint(1))
    weights = path / "state.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4])
    with pytest.raises(TrainingError, match="iteration_00000001 must be readable.*delete this folder"):
        read_checkpoint(path)


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path, _checkpoint(1))
    record = path / "training.json"
    record.write_text(record.read_text().replace('"format_version": 1', '"format_version": 99'))
    with pytest.raises(TrainingError, match="format_version must be 1, got 99"):
        read_checkpoint(path)


def test_describe_latest_names_the_checkpoint_of_a_resume(tmp_path: Path) -> None:
    assert describe_latest(tmp_path) == "there is no earlier checkpoint"
    path = write_checkpoint(tmp_path, _checkpoint(1))
    assert str(path) in describe_latest(tmp_path)


def test_clear_checkpoints_leaves_none(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, _checkpoint(1))
    clear_checkpoints(tmp_path)
    assert list(tmp_path.iterdir()) == []

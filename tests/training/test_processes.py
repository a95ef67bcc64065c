"""Two processes train as one does, whole or in shards, and either goes on where the other stopped."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.finetuning import swim_dataset
from tests.training.together import LOOP, MORE, make_stages, train_both
from tests.worlds import tiny_dataset
from wm_gym.data.mixture import MixtureSampler, open_mixture
from wm_gym.training.loop import TrainingError, train
from wm_gym.training.processes import ALONE, Processes, joined
from wm_gym.world_model import WorldModel

ROOT = Path(__file__).parents[2]
STAGES = ("autoencoder", "world_model")
LONGER = replace(LOOP, num_iterations=LOOP.num_iterations + MORE)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two worlds, so that the rows of a process lie apart in the batch."""
    folder = tmp_path_factory.mktemp("data")
    return [tiny_dataset(folder / "slide").folder, swim_dataset(folder / "swim").folder]


@pytest.fixture(scope="module")
def two(data: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes wrote."""
    output = tmp_path_factory.mktemp("two")
    command = [sys.executable, "-m", "tests.training.together", *map(str, (*data, output))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    result = subprocess.run(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    return output


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where one process writes."""
    return tmp_path_factory.mktemp("one")


@pytest.fixture(scope="module")
def one(data: list[Path], alone: Path) -> dict[str, list[float]]:
    """The losses of one process."""
    return train_both(data, alone)


@pytest.fixture(scope="module")
def longer(data: list[Path], alone: Path, one: dict[str, list[float]]) -> list[float]:
    """The losses of one process that goes on with the world model."""
    stage = make_stages(data, ALONE)["world_model"]
    train(stage, LONGER, alone / "world_model", progress=False)
    return stage.losses


def losses_of(output: Path, rank: int, stage: str) -> torch.Tensor:
    return torch.tensor(json.loads((output / f"losses_{rank}.json").read_text())[stage])


@pytest.mark.parametrize("stage", STAGES)
def test_two_processes_have_the_loss_of_one(two: Path, one: dict[str, list[float]], stage: str) -> None:
    assert len(one[stage]) == LOOP.num_iterations
    torch.testing.assert_close(losses_of(two, 0, stage), torch.tensor(one[stage]), atol=1e-5, rtol=0)
    assert min(one[stage][-3:]) < one[stage][0]  # the weights have moved


@pytest.mark.parametrize("stage", STAGES)
def test_both_processes_have_the_same_loss(two: Path, stage: str) -> None:
    torch.testing.assert_close(losses_of(two, 0, stage), losses_of(two, 1, stage), atol=0, rtol=0)


@pytest.mark.parametrize("stage", STAGES)
def test_the_first_process_alone_writes_curves(two: Path, stage: str) -> None:
    assert len(list((two / stage / "logs").glob("events*"))) == 1
    assert [path.name for path in (two / stage / "training").iterdir()] == [f"iteration_{LOOP.num_iterations:08d}"]


def test_one_process_goes_on_where_two_stopped(two: Path, data: list[Path]) -> None:
    stage = make_stages(data, ALONE)["autoencoder"]
    result = train(stage, replace(LOOP, num_iterations=11), two / "autoencoder", progress=False)
    assert (result.iteration, len(stage.losses)) == (11, 3)
    assert max(stage.losses) < losses_of(two, 0, "autoencoder")[:3].min()


def test_a_sharded_training_has_the_loss_of_a_whole_one(two: Path, one: dict[str, list[float]]) -> None:
    torch.testing.assert_close(losses_of(two, 0, "sharded"), torch.tensor(one["world_model"]), atol=1e-5, rtol=0)
    torch.testing.assert_close(losses_of(two, 0, "sharded"), losses_of(two, 1, "sharded"), atol=0, rtol=0)


def test_each_process_writes_its_shards(two: Path) -> None:
    (checkpoint,) = (two / "sharded" / "training").iterdir()
    files = sorted(checkpoint.glob("*.safetensors"))
    assert len(files) == 2
    sizes = [file.stat().st_size for file in files]
    assert max(sizes) < 2 * min(sizes)


def test_one_process_goes_on_where_shards_stopped(
    two: Path, data: list[Path], longer: list[float], tmp_path: Path
) -> None:
    shutil.copytree(two / "sharded", tmp_path / "sharded")
    stage = make_stages(data, ALONE)["world_model"]
    result = train(stage, LONGER, tmp_path / "sharded", progress=False)
    assert (result.iteration, len(stage.losses)) == (LONGER.num_iterations, MORE)
    torch.testing.assert_close(stage.losses, longer, atol=1e-5, rtol=0)


def test_shards_go_on_where_a_whole_training_stopped(two: Path, longer: list[float]) -> None:
    torch.testing.assert_close(losses_of(two, 0, "in_shards").tolist(), longer, atol=1e-5, rtol=0)


def test_the_product_of_shards_is_a_whole_checkpoint(two: Path, alone: Path, longer: list[float]) -> None:
    sharded, whole = (WorldModel.from_pretrained(folder) for folder in (two / "in_shards", alone / "world_model"))
    for (name, one), other in zip(sharded.named_parameters(), whole.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=0, msg=name)


def test_a_missing_shard_is_refused(two: Path, data: list[Path], tmp_path: Path) -> None:
    shutil.copytree(two / "sharded", tmp_path / "cut")
    next((tmp_path / "cut").rglob("shard-00002*")).unlink()
    with pytest.raises(TrainingError, match=r"must be readable.*No such file.*shard-00002"):
        train(make_stages(data, ALONE)["world_model"], LONGER, tmp_path / "cut", progress=False)


def test_shards_are_the_rows_of_the_whole_batch(data: list[Path]) -> None:
    mixture = open_mixture(data)
    options = {"num_rounds": 3, "batch_size": 8, "event_fraction": 0.5, "still_fraction": 0.5, "num_lead": 1}
    whole = MixtureSampler(mixture, **options)  # type: ignore[arg-type]
    shards = [MixtureSampler(mixture, **options, shard=(index, 2)) for index in (0, 1)]  # type: ignore[arg-type]
    assert sorted(row for shard in shards for row in shard.rows.tolist()) == list(range(8))
    for shard in shards:
        for name in ("observations", "actions", "rewards", "terminated", "mask"):
            rows = getattr(whole.sample(7), name)[shard.rows]
            assert (getattr(shard.sample(7), name) == rows).all(), name


def test_a_batch_that_does_not_divide_is_refused(data: list[Path]) -> None:
    with pytest.raises(ValueError, match=r"a multiple of the 2 worlds times the 3 processes, got 8; choose 6"):
        MixtureSampler(open_mixture(data), num_rounds=1, batch_size=8, shard=(0, 3))


def test_half_of_a_launchers_variables_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValueError, match="WORLD_SIZE must come with RANK.*start with torchrun"), joined("cpu"):
        pass


def test_alone_nothing_is_added() -> None:
    value = torch.ones(2, requires_grad=True)
    assert ALONE.sum(value) is value and ALONE.gather(value) is value
    assert Processes(1, 2).device("cpu") == ALONE.device("cpu") == "cpu"

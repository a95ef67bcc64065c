"""Two processes train as one does, the first alone writes, and either goes on where the other stopped."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.training.finetuning import swim_dataset
from tests.training.together import LOOP, make_stages, train_both
from tests.worlds import tiny_dataset
from wm_gym.data.mixture import MixtureSampler, open_mixture
from wm_gym.training.loop import train
from wm_gym.training.processes import ALONE, Processes, joined

ROOT = Path(__file__).parents[2]
STAGES = ("autoencoder", "world_model")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two worlds, so that the rows of a process lie apart in the batch."""
    folder = tmp_path_factory.mktemp("data")
    return [tiny_dataset(folder / "slide").folder, swim_dataset(folder / "swim").folder]


@pytest.fixture(scope="module")
def two(data: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes wrote."""
    output = tmp_path_factory.mktemp("two")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    processes = []
    for rank in ("0", "1"):
        launcher = {
            "RANK": rank,
            "LOCAL_RANK": rank,
            "WORLD_SIZE": "2",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
        }
        command = [sys.executable, "-m", "tests.training.together", *map(str, (*data, output))]
        environment = {**os.environ, **launcher, "OMP_NUM_THREADS": "1"}
        processes.append(subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True))
    errors = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(errors)
    assert errors == ["", ""]
    return output


@pytest.fixture(scope="module")
def one(data: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[float]]:
    """The losses of one process."""
    return train_both(data, tmp_path_factory.mktemp("one"))


def losses_of(output: Path, rank: int, stage: str) -> torch.Tensor:
    return torch.tensor(json.loads((output / f"losses_{rank}.json").read_text())[stage])


@pytest.mark.parametrize("stage", STAGES)
def test_two_processes_have_the_loss_of_one(two: Path, one: dict[str, list[float]], stage: str) -> None:
    assert len(one[stage]) == 50
    torch.testing.assert_close(losses_of(two, 0, stage), torch.tensor(one[stage]), atol=1e-5, rtol=0)
    assert one[stage][-1] < one[stage][0]


@pytest.mark.parametrize("stage", STAGES)
def test_both_processes_have_the_same_loss(two: Path, stage: str) -> None:
    torch.testing.assert_close(losses_of(two, 0, stage), losses_of(two, 1, stage), atol=0, rtol=0)


@pytest.mark.parametrize("stage", STAGES)
def test_the_first_process_alone_writes_curves(two: Path, stage: str) -> None:
    assert len(list((two / stage / "logs").glob("events*"))) == 1
    assert [path.name for path in (two / stage / "training").iterdir()] == ["iteration_00000050"]


def test_one_process_goes_on_where_two_stopped(two: Path, data: list[Path]) -> None:
    stage = make_stages(data, ALONE)["autoencoder"]
    result = train(stage, replace(LOOP, num_iterations=53), two / "autoencoder", progress=False)
    assert (result.iteration, len(stage.losses)) == (53, 3)
    assert max(stage.losses) < losses_of(two, 0, "autoencoder")[:10].min()


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

"""The server's benchmark, on an untrained world."""

import json
import os
import threading
import time
from pathlib import Path

import pytest

for _name in ("fastapi", "uvicorn", "python_multipart", "httpx2"):
    pytest.importorskip(_name, reason=f"serving needs {_name}")

from benchmarks.serve import Brancher, ServeBenchmarkConfig, branch, main, render  # noqa: E402
from tests.serve.servers import serving  # noqa: E402


def test_clients_branch_and_what_they_saw_is_written(
    checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = ServeBenchmarkConfig(
        checkpoint=str(checkpoint), clients=3, minutes=0.03, max_states=6, output=tmp_path / "results" / "serve.json"
    )
    main(config)
    results = json.loads(config.output.read_text())
    assert render(results) in capsys.readouterr().out
    assert (results["errors"], results["error_kinds"]) == (0, {})
    answered = {kind: row["answered"] for kind, row in results["requests"].items()}
    assert min(answered["first_round"], answered["continue"]) > 0
    finished = results["stats"]["finished_tasks"]
    assert answered["first_round"] + answered["continue"] == finished
    assert results["stats"]["total_states_on_live_workers"] + results["stats"]["evicted_states"] == finished
    assert results["stats"]["total_states_on_live_workers"] <= 6
    assert results["evictions_met"] > 0
    assert results["busy_answers"] == 0
    assert len(results["memory_by_minute"]) == 1


def test_busy_answers_are_counted(checkpoint: Path) -> None:
    with serving(checkpoint, max_queue=1, max_batch=1) as served:
        branchers = [Brancher(served.address, ["go left"], seed) for seed in range(8)]
        branch(branchers, 1.0, os.getpid())
    assert sum(brancher.ledger.busy for brancher in branchers) > 0
    assert not any(brancher.ledger.errors for brancher in branchers)


def test_a_server_that_is_gone_ends_it(checkpoint: Path) -> None:
    with serving(checkpoint) as served:
        branchers = [Brancher(served.address, ["go left"], seed) for seed in range(3)]
        stopper = threading.Timer(0.5, served.stop)
        stopper.start()
        begun = time.monotonic()
        with pytest.raises(
            RuntimeError, match="the server must answer until the end, got Connection.* after .* of 60 s"
        ):
            branch(branchers, 60.0, os.getpid())
        assert time.monotonic() - begun < 30
    assert sum(sum(brancher.ledger.errors.values()) for brancher in branchers) <= 3  # at most one each: nobody spins

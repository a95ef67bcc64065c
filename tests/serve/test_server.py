"""The server as a process: it says its address, answers, ends on a signal, and refuses what it cannot serve."""

import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.serve.servers import PATIENCE, wait_until
from wm_gym.cli import main
from wm_gym.serve.client import WorldClient
from wm_gym.serve.config import ServeConfig
from wm_gym.serve.server import Server

STOPPING = "the server must go on until a task is done, got told to stop; start it again"
COMMAND = [sys.executable, "-c", "import sys; from wm_gym.cli import main; sys.exit(main())", "serve", "--port", "0"]


def test_the_command_serves_until_it_is_told_to_stop(checkpoint: Path) -> None:
    process = subprocess.Popen([*COMMAND, str(checkpoint)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        with WorldClient(process.stdout.readline().strip()) as client:
            assert client.proceed(client.first_round(), "go left").rounds == 1
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert (process.returncode, errors) == (-signal.SIGTERM, "")


def test_a_signal_ends_it_soon_however_many_are_at_work(checkpoint: Path) -> None:
    options = ["--max-batch", "1", "--max-denoising-steps", "2000", str(checkpoint)]
    process = subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    ends: list[Exception] = []

    def work(address: str, state_id: str) -> None:
        with WorldClient(address) as client:
            while True:
                try:
                    client.proceed(state_id, "go left", denoising_steps=2000)
                except Exception as error:
                    ends.append(error)
                    return

    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        with WorldClient(address) as client:
            root = client.first_round().state_id
            threads = [threading.Thread(target=work, args=(address, root)) for _ in range(8)]
            for thread in threads:
                thread.start()
            wait_until(lambda: client.stats()["tasks_in_lb_queue"] == 7)
        begun = time.monotonic()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE)
        seconds = time.monotonic() - begun
    finally:
        process.kill()
    for thread in threads:
        thread.join(PATIENCE)
    assert process.returncode == -signal.SIGTERM
    assert "Traceback" not in errors and "Cancel" not in errors
    assert seconds < 4  # a second on a quiet machine
    assert [str(error) for error in ends if not isinstance(error, OSError)] == [STOPPING] * 8


def test_a_host_that_others_reach_is_refused_without_a_token(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["serve", "--host", "0.0.0.0"])
    assert caught.value.code == 2
    assert "token must be given" in capsys.readouterr().err


def test_a_taken_port_is_one_clear_error(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", str(checkpoint), "--port", str(port)]) == 2
    assert f"must be free and this machine's, got 127.0.0.1 and {port}" in capsys.readouterr().err


def test_an_unknown_checkpoint_is_one_clear_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "mars", "--port", "0"]) == 2
    assert "checkpoint must be one of" in capsys.readouterr().err


def test_a_state_must_fit_the_memory(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = ServeConfig(port=0)
    object.__setattr__(config, "max_megabytes", 0)  # no tiny world has states of a megabyte
    with pytest.raises(
        ValueError, match="max_megabytes must be at least 1, what a state of this checkpoint takes, got 0"
    ):
        Server(str(checkpoint), config, say=print)

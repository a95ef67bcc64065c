"""A real window under a virtual X server, with keys that another program sends."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageGrab

PATIENCE = 40.0  # seconds
_TOOLS = ("Xvfb", "xdotool")

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, _TOOLS)), reason="needs Xvfb and xdotool: apt-get install xvfb xdotool"
)


@pytest.fixture
def display(tmp_path: Path) -> Iterator[str]:
    """An X server of its own."""
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-noreset", "-screen", "0", "900x900x24", "-nolisten", "tcp"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    os.close(write)
    with os.fdopen(read) as pipe:
        number = pipe.readline().strip()
    assert number, "the server did not start"
    yield f":{number}"
    server.terminate()
    server.wait(PATIENCE)


def screenshot(display: str) -> np.ndarray:
    """The screen as (height, width, 3), uint8."""
    return np.asarray(ImageGrab.grab(xdisplay=display).convert("RGB"))


def test_keys_of_another_program_act_in_a_real_window(display: str, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "SDL_VIDEODRIVER"}
    environment["DISPLAY"] = display
    film = tmp_path / "play.gif"
    command = [sys.executable, "-m", "wm_gym.cli", "play", "minigrid", "--record", str(film)]
    player = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    before = wait_for_another(screenshot(display), display)
    subprocess.run(["xdotool", "key", "Left"], env=environment, check=True)
    after = wait_for_another(before, display)
    assert len(np.unique(after.reshape(-1, 3), axis=0)) > 8  # a room, and letters
    player.send_signal(signal.SIGTERM)
    told, errors = player.communicate(timeout=PATIENCE)
    assert player.returncode == 0, errors
    assert str(film) in told
    with Image.open(film) as image:
        assert getattr(image, "n_frames", 1) >= 2


def wait_for_another(last: np.ndarray, display: str) -> np.ndarray:
    """The first picture on the screen that is not `last`, once it stands still."""
    end = time.monotonic() + PATIENCE
    seen, now = last, screenshot(display)
    while np.array_equal(now, last) or not np.array_equal(now, seen):
        assert time.monotonic() < end, "nothing changed on the screen"
        time.sleep(0.3)
        seen, now = now, screenshot(display)
    return now

"""The `wm-gym` command: what it writes and prints, and how it refuses."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import imageio.v3 as imageio
import pytest

from tests.evaluation.untrained import write_untrained
from tests.worlds import write_tiny_checkpoint
from wm_gym.cli import main
from wm_gym.data.dataset import Dataset
from wm_gym.dream import wander

RECORD = ["record", "--env", "envs:real/MiniGrid-v0", "--max-steps", "4"]


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A tiny untrained checkpoint of a world that has no twin."""
    folder = tmp_path_factory.mktemp("cli") / "slide"
    write_tiny_checkpoint(folder)
    return str(folder)


def run(*arguments: str | Path) -> int:
    """The command's exit status, also where the parser exits."""
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as exit:
        return int(exit.code or 0)


def count_frames(path: Path) -> int:
    return len(imageio.imread(path, index=None))


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    out = capsys.readouterr().out
    names = ("dream", "play", "serve", "record", "train", "finetune", "evaluate")
    assert all(name in out for name in (*names, "--actions"))


@pytest.mark.parametrize("command", ["dream", "play", "serve", "record", "train", "finetune", "evaluate"])
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert run(command, "--help") == 0
    assert f"wm-gym {command}" in capsys.readouterr().out


def test_dream_writes_what_it_prints(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("dream", "minigrid", "--actions", "turn left,move forward,", "--output", tmp_path / "out") == 0
    lines = capsys.readouterr().out.splitlines()
    gif, strip = (Path(line) for line in lines[1:3])
    assert count_frames(gif) == 4  # the start and three texts, the last of them ""
    assert strip.read_bytes().startswith(b"\x89PNG")
    assert re.fullmatch(r"median step \d+ ms", lines[3])


def test_dream_is_compared_with_the_twin(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert run("dream", "--actions", "turn left,turn left", "--output", tmp_path) == 0
    assert re.search(r"^2 steps, dreamed reward 0, real reward 0, the true state on \d of 2", capsys.readouterr().out)


def test_dream_follows_the_expert_to_the_goal_by_default(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["--twin-arguments", '{"layout": "empty"}', "--steps", "40"]
    assert run("dream", *arguments, "--output", tmp_path) == 0
    assert "real reward 1" in capsys.readouterr().out


def test_dream_repeats_with_its_seed(slide: str, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        assert run("dream", slide, "--seed", "3", "--output", tmp_path / folder) == 0
    assert (tmp_path / "a/strip.png").read_bytes() == (tmp_path / "b/strip.png").read_bytes()


def test_dream_without_a_twin_says_so_and_stands_alone(
    capsys: pytest.CaptureFixture[str], slide: str, tmp_path: Path
) -> None:
    assert run("dream", slide, "--output", tmp_path) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("the real twin is missing, so the dream stands alone: ")
    assert "real reward" not in second


def test_dream_without_a_simulator_stands_alone(capsys: pytest.CaptureFixture[str], slide: str, tmp_path: Path) -> None:
    assert run("dream", slide, "--twin", "nowhere:real/MiniGrid-v0", "--output", tmp_path) == 0
    assert "No module named 'nowhere'" in capsys.readouterr().out


def test_dream_without_a_twin_walks_about(slide: str, tmp_path: Path) -> None:
    text = next(wander(("go left", "go right", "go down", "wait"), seed=0))
    assert run("dream", slide, "--steps", "1", "--actions", text, "--output", tmp_path / "told") == 0
    assert run("dream", slide, "--steps", "1", "--output", tmp_path / "default") == 0
    assert (tmp_path / "told/strip.png").read_bytes() == (tmp_path / "default/strip.png").read_bytes()


def test_play_runs_a_script_and_writes_what_it_prints(
    capsys: pytest.CaptureFixture[str], slide: str, tmp_path: Path
) -> None:
    film, data = tmp_path / "play.gif", tmp_path / "data"
    arguments: list[str | Path] = ["--script", "go left,undo,go down", "--record", film, "--episodes", data]
    assert run("play", "--checkpoint", slide, *arguments) == 0
    outcome, *files = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"1 steps, dream reward [-\d.]+", outcome)
    assert files == [str(film), f"1 episodes in {data}/dream"]
    assert count_frames(film) == 4


def test_record_writes_a_dataset(tmp_path: Path) -> None:
    assert run(*RECORD, "--policy", "policies.minigrid:mixed", "--episodes", "2", "--output", tmp_path / "data") == 0
    dataset = Dataset.open(tmp_path / "data")
    assert [len(dataset[index].actions) for index in range(2)] == [4, 4]
    assert dataset.manifest.world == "minigrid"


def test_record_goes_on_where_it_stopped(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for episodes in ("1", "3"):
        assert run(*RECORD, "--episodes", episodes, "--output", tmp_path / "data") == 0
    assert "3 episodes in" in capsys.readouterr().out
    assert [Dataset.open(tmp_path / "data")[index].seed for index in range(3)] == [0, 1, 2]


def test_record_passes_json_to_the_env(tmp_path: Path) -> None:
    kwargs = json.dumps({"layout": "doorkey"})
    assert run(*RECORD, "--episodes", "1", "--env-kwargs", kwargs, "--output", tmp_path / "data") == 0
    assert Dataset.open(tmp_path / "data")[0].info["layout"] == "doorkey"


def test_record_names_discrete_actions(tmp_path: Path) -> None:
    texts = json.dumps(["left", "right", "go", "take", "put", "use", ["wait", "stay"]])
    arguments = ["record", "--env", "envs:real/MiniGridDiscrete-v0", "--max-steps", "4", "--episodes", "1"]
    assert run(*arguments, "--action-texts", texts, "--output", tmp_path / "data") == 0
    assert set(Dataset.open(tmp_path / "data")[0].actions) <= {
        "left",
        "right",
        "go",
        "take",
        "put",
        "use",
        "wait",
        "stay",
    }


def test_record_names_values_of_box_actions(tmp_path: Path) -> None:
    arguments = ["record", "--env", "MountainCarContinuous-v0", "--env-kwargs", '{"render_mode": "rgb_array"}']
    arguments += ["--action-texts", '["push left", "push right"]', "--action-values", "[[-1], [1]]"]
    policy = "tests.test_cli:push"
    rest = ["--policy", policy, "--episodes", "1", "--max-steps", "2", "--frame-size", "8", "16"]
    assert run(*arguments, *rest, "--output", tmp_path / "data") == 0
    assert Dataset.open(tmp_path / "data").action_texts == ("push right",)


def test_record_renders_an_env_that_observes_no_images(tmp_path: Path) -> None:
    arguments = ["record", "--env", "CartPole-v1", "--action-texts", '["push left", "push right"]']
    rest = ["--episodes", "1", "--max-steps", "2", "--frame-size", "8", "16"]
    assert run(*arguments, *rest, "--output", tmp_path / "data") == 0
    assert Dataset.open(tmp_path / "data")[0].observations.shape == (3, 1, 8, 16, 3)


def test_record_leaves_the_render_mode_to_the_user(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["record", "--env", "CartPole-v1", "--env-kwargs", '{"render_mode": null}', "--episodes", "1"]
    assert run(*arguments, "--action-texts", '["left", "right"]', "--output", tmp_path / "data") == 2
    assert "got Box" in capsys.readouterr().err


def push(env: object, rng: object) -> Callable[[object], int]:
    """A policy for the test above."""
    return lambda observation: 1


def test_record_says_which_env_takes_no_such_argument(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["record", "--env", "CartPole-v1", "--env-kwargs", '{"legs": 4}', "--episodes", "1"]
    assert run(*arguments, "--output", tmp_path / "data") == 2
    assert "env_kwargs must be arguments that CartPole-v1 takes, got {'legs': 4}" in capsys.readouterr().err


def test_train_hands_over_to_training(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    assert run("train", "autoencoder", "--data", missing, "--output", tmp_path / "out") == 2
    assert missing in caplog.text


def test_evaluate_prints_a_table_and_writes_json_and_plots(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    numbers = tmp_path / "fidelity.json"
    assert run("evaluate", "minigrid", "--rollouts", "3", "--horizon", "4", "--json", numbers) == 0
    found = json.loads(numbers.read_text())
    assert found["n"] == 3
    assert set(found["state_accuracy"]) == {"1", "4"}
    assert (tmp_path / "fidelity.png").is_file()
    assert str(numbers) in capsys.readouterr().out


def test_evaluate_compares_worlds(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    arguments = ["evaluate", "minigrid", "--worlds", "minigrid", "--rollouts", "2", "--horizon", "2"]
    assert run(*arguments, "--num-probes", "7", "--json", tmp_path / "general.json") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["minigrid"]
    assert any(line.startswith("  trained phrasings") for line in lines)
    files = [tmp_path / name for name in ("general.json", "general.png", "general_sheet.png")]
    assert lines[-3:] == [str(file) for file in files]
    assert all(file.is_file() for file in files)


def test_checkpoint_of_several_worlds_is_compared_and_dreamed_by_world(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    several = str(write_untrained(tmp_path, "minigrid", "pong"))
    assert run("evaluate", several, "--rollouts", "1", "--horizon", "1", "--num-probes", "0") == 0
    assert capsys.readouterr().out.splitlines()[1].split() == ["minigrid", "pong"]
    assert run("evaluate", several, "--world", "pong", "--rollouts", "1", "--horizon", "1") == 0
    assert "against envs:real/Pong-v0" in capsys.readouterr().out
    assert run("dream", several, "--world", "pong", "--steps", "2", "--output", tmp_path / "out") == 0
    assert "the true state on 0 of 2 dreamed frames" in capsys.readouterr().out
    assert run("dream", several, "--output", tmp_path / "out") == 2
    assert "world must be one of minigrid, pong, got None" in capsys.readouterr().err


BAD_COMMANDS: dict[str, tuple[list[str], str]] = {
    "no such checkpoint": (["dream", "atlantis"], "checkpoint must be one of .* got 'atlantis'"),
    "long action": (["dream", "--actions", "x" * 300], "action must have at most 256 characters, got 300"),
    "no such layout": (["dream", "--twin-arguments", '{"layout": "castle"}'], "layout must be one of .* got 'castle'"),
    "no such twin argument": (["dream", "--twin-arguments", '{"sky": "green"}'], "split and twin_arguments, got .*sky"),
    "no JSON": (["dream", "--twin-arguments", "layout"], "split and twin_arguments, got .*'layout'"),
    "no such world": (["dream", "--world", "pong"], "world must be one of minigrid, got 'pong'"),
    "no such policy": (["dream", "--policy", "policies.minigrid:oracle"], "policy must name a factory"),
    "no real twin": (["dream", "--twin", "CartPole-v1"], "twin must be the id of a real twin, .* got 'CartPole-v1'"),
    "no such world to play": (["play", "atlantis", "--script", "wait"], "world must be one of .* got 'atlantis'"),
    "bad script": (["play", "--script", "undo it"], "script must have a number after 'undo', got 'undo it'"),
    "bad film": (["play", "--script", "wait", "--record", "a.avi"], "a film must end in .gif or .mp4, got a.avi"),
    "no such env": (["record", "--env", "nope-v0", "--episodes", "1", "--output", "x"], "nope"),
    "policy without a colon": ([*RECORD, "--episodes", "1", "--output", "x", "--policy", "expert"], "module:factory"),
    "broken JSON": ([*RECORD, "--episodes", "1", "--output", "x", "--env-kwargs", "{"], "env_kwargs must be a JSON"),
    "JSON list": ([*RECORD, "--episodes", "1", "--output", "x", "--env-kwargs", "[]"], "must be a JSON object"),
    "no episodes": ([*RECORD, "--episodes", "0", "--output", "x"], "num_episodes must be at least 1, got 0"),
    "compare no such world": (["evaluate", "--worlds", "pong"], "world must be one of minigrid, got 'pong'"),
    "compare with one twin": (["evaluate", "--worlds", "minigrid", "--twin", "x"], "twin must be left out to compare"),
    "evaluate nothing": (["evaluate", "atlantis", "--rollouts", "1"], "checkpoint must be one of .* got 'atlantis'"),
}


@pytest.mark.parametrize("case", BAD_COMMANDS)
def test_bad_input_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, case: str
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, message = BAD_COMMANDS[case]
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert re.search(message, error)
    assert error.startswith("wm-gym: ")
    assert error.count("\n") == 1


@pytest.mark.parametrize("arguments", [["dream", "--steps", "0"], ["dream", "--stebs", "3"], ["dance"], []])
def test_bad_options_are_explained_with_status_2(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    assert run(*arguments) == 2
    assert capsys.readouterr().err


def test_an_output_that_is_a_file_is_one_line(capsys: pytest.CaptureFixture[str], slide: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert run("dream", slide, "--output", tmp_path / "file") == 2
    assert "File exists" in capsys.readouterr().err


def test_evaluate_refuses_an_impossible_output_before_the_work(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    assert run("evaluate", "--json", tmp_path / "file" / "numbers.json") == 2
    error = capsys.readouterr().err
    assert "File exists" in error or "Not a directory" in error
    assert "dreaming" not in error


def test_a_checkout_is_found_in_the_working_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "envs").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    run("--help")
    assert sys.path[0] == str(tmp_path)

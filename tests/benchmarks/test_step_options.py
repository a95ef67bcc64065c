"""The benchmark of ways to run a step, on an untrained world."""

import json
from pathlib import Path
from time import perf_counter

import pytest
import torch

from benchmarks.step_options import StepOptionsConfig, Variant, build_variant, main, one_thread, render, take_turns
from tests.worlds import write_tiny_checkpoint


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("step_options") / "checkpoint"
    write_tiny_checkpoint(folder)
    return str(folder)


def test_ways_step_the_same_states_and_the_default_agrees_with_itself(checkpoint: str) -> None:
    variants = [build_variant(name, checkpoint) for name in ("default", "channels_last", "bfloat16")]
    take_turns(variants, batch=2, repeats=3, clock=perf_counter)
    assert [len(variant.milliseconds) for variant in variants] == [3, 3, 3]
    assert variants[0].probability == [0.0, 0.0, 0.0]
    assert max(variants[1].probability) < 1e-5 < max(variants[2].probability) < 0.1


def test_pixels_that_visibly_differ_are_counted(checkpoint: str) -> None:
    variant: Variant = build_variant("default", checkpoint)
    state = variant.model.reset(variant.model.starts["slide"][:1], seeds=[0])
    _, output = variant.model.step(state, ["go left"])
    _, reference = variant.model.step(state, ["go left"])
    output.frames[0, 0, :8] = reference.frames[0, 0, :8].bitwise_xor(16)  # 8 of 32 rows, 16 grey levels
    output.frames[0, 0, 8:] = reference.frames[0, 0, 8:].bitwise_xor(1)
    variant.compare(output, reference)
    assert variant.visible == [0.25]


def test_one_thread_gives_the_others_back() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with one_thread():
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_results_are_written_and_shown(checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = StepOptionsConfig(
        checkpoint=checkpoint,
        ways=("int8", "one thread"),
        batches=(1, 2),
        repeats=2,
        output=tmp_path / "results" / "step_options.json",
    )
    main(config)
    results = json.loads(config.output.read_text())
    assert render(results) in capsys.readouterr().out
    assert [(case["way"], case["batch"]) for case in results["cases"]] == [
        (way, batch) for batch in (1, 2) for way in ("default", "int8", "one thread")
    ]
    assert results["cases"][0]["speedup"] == 1
    assert 0 < results["cases"][1]["largest_probability_difference"] < 0.1  # it does compute in int8

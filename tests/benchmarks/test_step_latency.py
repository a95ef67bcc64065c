"""The step benchmark, on an untrained world."""

import json
from itertools import count

import pytest

from benchmarks.step_latency import Case, StepLatencyConfig, main, measure, render
from tests.worlds import write_tiny_checkpoint


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> StepLatencyConfig:
    folder = tmp_path_factory.mktemp("step_latency")
    write_tiny_checkpoint(folder / "checkpoint")
    return StepLatencyConfig(
        checkpoint=str(folder / "checkpoint"),
        batches=(1, 3),
        denoising_steps=(1, 2),
        rounds=2,
        steps=2,
        output=folder / "results" / "step_latency.json",
    )


def test_case_reports_median_rate_and_stages() -> None:
    case = Case(name="fixed", batch=4, num_denoising_steps=1, step=lambda: {"decoder": 3.0})
    case.milliseconds += [10.0, 20.0, 60.0]
    case.stages += [{"decoder": 1.0}, {"decoder": 3.0}, {"decoder": 9.0}]
    data = case.to_json()
    assert (data["median_ms"], data["steps_per_second"], data["stages_ms"]) == (20.0, 200.0, {"decoder": 3.0})


def test_first_step_of_a_round_is_not_timed() -> None:
    calls = count()
    case = Case(name="fixed", batch=1, num_denoising_steps=1, step=lambda: {"call": float(next(calls))})
    case.run(3)
    assert [stages["call"] for stages in case.stages] == [1.0, 2.0, 3.0]


def test_every_case_is_timed_in_every_round(config: StepLatencyConfig) -> None:
    cases = measure(config)["cases"]
    assert {case["samples"] for case in cases} == {4}
    assert [(case["case"], case["batch"], case["num_denoising_steps"]) for case in cases] == [
        ("env.step", 1, 1),
        ("world model", 1, 1),
        ("world model", 1, 2),
        ("without KV cache", 1, 1),
        ("world model", 3, 1),
        ("world model", 3, 2),
        ("without KV cache", 3, 1),
        ("real twin", 1, 0),
    ]


def test_env_step_is_split_by_stage(config: StepLatencyConfig) -> None:
    case = measure(config)["cases"][0]
    assert {"transition", "decoder", "autoencoder"} <= case["stages_ms"].keys()


def test_results_are_written_and_shown(config: StepLatencyConfig, capsys: pytest.CaptureFixture[str]) -> None:
    main(config)
    results = json.loads(config.output.read_text())
    assert render(results) in capsys.readouterr().out
    assert results["speedup_over_no_cache"].keys() == {"1", "3"}
    assert results["shape"] == [1, 32, 32, 3] and results["weights_hash"]

"""Every kernel against float64, and its speed against eager torch, `torch.compile`, torch's own and the floor.

    python -m benchmarks.kernels --device cuda
    TRITON_INTERPRET=1 python -m benchmarks.kernels --smoke

The floor is what the machine needs to move the bytes or to multiply the matrices, at rates measured in the same run.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.kernels_cases import PICTURES, SHAPES, SMOKE, SMOKE_PICTURES, Arguments, KernelCase, build_cases
from wm_gym.evaluation.provenance import machine
from wm_gym.kernels.choice import runs_triton

RESULTS = Path(__file__).parent / "results" / "kernels.json"
LONG = 50.0  # milliseconds, from which three runs are enough
MAX_EXACT_SCORES = 2**28  # float64 attention of more would not fit: queries are thinned


def measure(device: torch.device, dtype: torch.dtype, cases: Sequence[KernelCase], compiled: bool) -> dict[str, Any]:
    """Errors and times of all cases; one that fails says why and the others go on.

    Args:
        device: where to run.
        dtype: of the activations.
        cases: kernels at shapes.
        compiled: whether to time `torch.compile` too.
    """
    rates = ceilings(device, dtype)
    rows = []
    for case in cases:
        try:
            rows.append(measure_case(case, device, dtype, rates, compiled))
        except Exception as failure:  # a machine may lack memory or a compiler; the table says so
            rows.append(
                {"kernel": case.kernel, "shape": case.shape, "failed": f"{type(failure).__name__}: {failure}"[:400]}
            )
        if device.type == "cuda":
            torch.cuda.empty_cache()
    return {**machine(device), "dtype": str(dtype).removeprefix("torch."), "ceilings": rates, "kernels": rows}


def measure_case(
    case: KernelCase, device: torch.device, dtype: torch.dtype, rates: dict[str, float], compiled: bool
) -> dict[str, Any]:
    """One row of the table."""
    torch.manual_seed(0)
    arguments = case.draw(device, dtype)
    first = next(value for value in arguments.values() if isinstance(value, Tensor))
    ways: dict[str, Callable[..., Any]] = {"eager": case.reference}
    missing: dict[str, str] = {}
    if case.library is not None:
        ways["library"] = case.library
    if runs_triton(first):
        ways["triton"] = case.public
    with torch.no_grad():
        errors = {name: largest_error(case, way, arguments) for name, way in ways.items()}
        times = {name: milliseconds(partial(way, **arguments), device) for name, way in ways.items()}
    if compiled:
        try:
            times["compiled"] = compiled_milliseconds(case, arguments, device)
        except Exception as failure:  # a machine without a C compiler, say; what ran must not be lost
            missing["compiled"] = f"{type(failure).__name__}: {failure}"[:400]
    num_bytes = case.num_bytes * dtype.itemsize / 2
    floor = 1000 * max(num_bytes / rates["bytes_per_second"], case.num_flops / rates["flops_per_second"])
    best = min((times[name] for name in ("triton", "library") if name in times), default=times["eager"])
    return {
        "kernel": case.kernel,
        "shape": case.shape,
        "errors": errors,
        "milliseconds": times,
        "missing": missing,
        "floor_ms": floor,
        "of_floor": floor / times.get("triton", best),
    }


def compiled_milliseconds(case: KernelCase, arguments: Arguments, device: torch.device) -> float:
    """The reference's time through `torch.compile`."""
    torch.compiler.reset()
    with torch.no_grad():
        return milliseconds(partial(torch.compile(case.reference), **arguments), device)


def largest_error(case: KernelCase, way: Callable[..., Any], arguments: Arguments) -> float:
    """The largest difference from float64, relative to the number and the root mean square of all."""
    thin = dict(arguments)
    if case.kernel == "ring_attention":
        query = arguments["query"]
        kept = max(1, MAX_EXACT_SCORES // (query.shape[0] * query.shape[2] * arguments["keys"].shape[1]))
        thin["query"] = query[:, :kept].contiguous()
    copies = {key: value.clone() if isinstance(value, Tensor) else value for key, value in thin.items()}
    exact = {
        key: value.double() if isinstance(value, Tensor) and value.is_floating_point() else value
        for key, value in thin.items()
    }
    expected, actual = outputs(case.reference(**exact)), outputs(way(**copies))
    if "keys" in copies and case.kernel == "qk_norm_rope_write":
        expected, actual = (*expected, exact["keys"], exact["values"]), (*actual, copies["keys"], copies["values"])
    return max(relative(one, other) for one, other in zip(actual, expected, strict=True))


def relative(actual: Tensor, expected: Tensor) -> float:
    """See `largest_error`."""
    floor = expected.square().mean().sqrt()
    return float(((actual.double() - expected).abs() / (expected.abs() + floor)).max())


def outputs(result: Any) -> tuple[Tensor, ...]:
    """One tensor or several, as several."""
    return (result,) if isinstance(result, Tensor) else tuple(result)


def milliseconds(run: Callable[[], Any], device: torch.device) -> float:
    """The median time: on CUDA by events, with the cache emptied in between where that counts; else by the clock."""
    run()
    if device.type == "cuda":
        first = event_milliseconds(run)
        if first > LONG:
            return float(np.median([first, event_milliseconds(run), event_milliseconds(run)]))
        from triton.testing import do_bench

        return float(do_bench(run, return_mode="median"))
    times = []
    for _ in range(3):
        begin = perf_counter()
        run()
        times.append(1000 * (perf_counter() - begin))
    return float(np.median(times))


def event_milliseconds(run: Callable[[], Any]) -> float:
    """One run's time on the device."""
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    run()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end))


def ceilings(device: torch.device, dtype: torch.dtype) -> dict[str, float]:
    """What the machine reaches: a copy's bytes a second, a matrix product's operations a second."""
    size, side = (2**28, 8192) if device.type == "cuda" else (2**20, 256)
    source = torch.empty(size, dtype=torch.float32, device=device)
    target = torch.empty_like(source)
    left = torch.randn(side, side, device=device, dtype=dtype)
    copy = milliseconds(lambda: target.copy_(source), device)
    product = milliseconds(lambda: left @ left, device)
    return {"bytes_per_second": 8 * size / copy * 1000, "flops_per_second": 2 * side**3 / product * 1000}


def render(results: dict[str, Any]) -> str:
    """Returns the results as a table."""
    rates = results["ceilings"]
    ways = ("eager", "compiled", "library", "triton")
    lines = [
        f"{results['device_name']}, {results['dtype']}: {rates['bytes_per_second'] / 1e12:.2f} TB/s, "
        f"{rates['flops_per_second'] / 1e12:.0f} TFLOP/s",
        f"{'kernel':20}{'shape':15}"
        + "".join(f"{way + ' ms':>13}" for way in ways)
        + f"{'floor':>9}{'of it':>7}{'error':>9}",
    ]
    for row in results["kernels"]:
        if "failed" in row:
            lines.append(f"{row['kernel']:20}{row['shape']:15}  {row['failed'].splitlines()[0][:110]}")
            continue
        times = "".join(
            f"{row['milliseconds'][way]:13.4f}" if way in row["milliseconds"] else f"{'-':>13}" for way in ways
        )
        worst = row["errors"].get("triton", row["errors"]["eager"])
        lines.append(
            f"{row['kernel']:20}{row['shape']:15}{times}{row['floor_ms']:9.4f}{100 * row['of_floor']:6.0f}%{worst:9.1e}"
        )
    return "\n".join(lines)


def main() -> None:
    """Measures, prints the table and writes the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float16", "float32"])
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--smoke", action="store_true", help="tiny shapes, to see that it runs")
    parser.add_argument("--output", type=Path, default=RESULTS)
    told = parser.parse_args()
    cases = build_cases(SMOKE, SMOKE_PICTURES) if told.smoke else build_cases(SHAPES, PICTURES)
    compiled = not (told.smoke or told.no_compile)
    results = measure(torch.device(told.device), getattr(torch, told.dtype), cases, compiled)
    told.output.parent.mkdir(parents=True, exist_ok=True)
    told.output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(told.output)
    print(render(results))


if __name__ == "__main__":
    main()

"""Everything worth measuring when a GPU is at hand: one command, a JSON file that grows as it goes, a short table last.

    python -m benchmarks.gpu --packages /tmp/site --output $OUT/gpu.json
    python -m benchmarks.gpu --smoke

Sections: `kernels` (against float64, eager, compiled, the floor), `chunk` (a decoder chunk at Wan2.1's shapes, and the
stages around it), `worlds` (the shipped checkpoints). One whose packages are missing is left out and named. Packages
that the machine lacks can come along: unpack their wheels with `pip install --no-deps --target DIR` and name DIR, or
put it on PYTHONPATH. `--smoke` runs tiny shapes, on a CPU through Triton's interpreter.
"""

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any

FACE = ("torch", "jaxtyping", "gymnasium")  # gymnasium: importing wm_gym registers its ids
NEEDS = {
    "kernels": FACE,
    "chunk": (*FACE, "diffusers", "transformers"),
    "worlds": (*FACE, "diffusers", "transformers", "tokenizers", "safetensors", "PIL"),
}
Section = Callable[[argparse.Namespace], Iterator[dict[str, Any]]]  # gives all it has, again and again as it grows


def kernels(told: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Section (a)."""
    import torch

    from benchmarks import kernels
    from benchmarks.kernels_cases import PICTURES, SHAPES, SMOKE, SMOKE_PICTURES, build_cases

    cases = build_cases(SMOKE, SMOKE_PICTURES) if told.smoke else build_cases(SHAPES, PICTURES)
    device, dtype = torch.device(told.device), torch.bfloat16
    results = kernels.measure(device, dtype, cases, compiled=not (told.smoke or told.no_compile))
    yield {"rows": results["kernels"], "table": kernels.render(results), "ceilings": results["ceilings"]}


def chunk(told: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Section (b), with the stages around the decoder and the peak of memory of each row."""
    import torch

    from benchmarks import gpu_chunk, gpu_shapes

    shapes = gpu_shapes.SMOKE if told.smoke else {name: gpu_shapes.SHAPES[name] for name in told.models}
    device = torch.device(told.device)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    rows, speeds = [], []
    for name, shape in shapes.items():
        measured = gpu_chunk.measure(name, shape, device, dtype)
        rows += measured
        speeds += gpu_chunk.frames_per_second(measured, shape)
        yield {"rows": rows, "frames_per_second": speeds, "table": gpu_chunk.render(rows, speeds)}


def worlds(told: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Section (c)."""
    import torch

    from benchmarks import gpu_worlds

    names = told.checkpoints or gpu_worlds.shipped()
    batches, steps = ([1, 2], 1) if told.smoke else ([1, 16, 64, 256], 30)
    rows = []
    compiled = not (told.smoke or told.no_compile)
    for row in gpu_worlds.measure(names, torch.device(told.device), batches, steps, compiled):
        rows.append(row)
        yield {"rows": rows, "table": gpu_worlds.render(rows)}


SECTIONS: dict[str, Section] = {"kernels": kernels, "chunk": chunk, "worlds": worlds}


def missing(section: str) -> list[str]:
    """Packages that a section needs and this machine lacks."""
    return [name for name in NEEDS[section] if find_spec(name) is None]


def run(told: argparse.Namespace) -> dict[str, Any]:
    """Runs the sections; the file is written whenever there is more, and a failed one does not stop the next."""
    results: dict[str, Any] = {"smoke": told.smoke, "left_out": {}}
    for name in told.sections:
        lacking = missing(name)
        if lacking:
            results["left_out"][name] = (
                f"needs {', '.join(lacking)}: bring the wheels along and name them in --packages"
            )
            continue
        begin = perf_counter()
        print(f"== {name}", flush=True)
        try:
            for grown in SECTIONS[name](told):
                results[name] = {**grown, "seconds": perf_counter() - begin}
                write(results, told.output, told.device)
        except Exception as failure:  # what the other sections measure must not be lost
            traceback.print_exc()
            results["left_out"][name] = f"{type(failure).__name__}: {failure}"[:400]
    write(results, told.output, told.device)
    return results


def write(results: dict[str, Any], output: Path, device: str) -> None:
    """Writes what there is, with the machine, unless even that cannot be told."""
    if not missing("kernels"):
        from wm_gym.evaluation.provenance import machine

        results |= machine(device)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def render(results: dict[str, Any]) -> str:
    """Returns all tables, and what is missing."""
    tables = [results[name]["table"] for name in SECTIONS if name in results]
    left = [f"LEFT OUT {name}: {why}" for name, why in results["left_out"].items()]
    return "\n\n".join([*tables, *left])


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Reads the command line and makes the packages that came along importable."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--packages", type=Path, action="append", default=[], metavar="DIR", help="searched last")
    parser.add_argument("--sections", nargs="+", default=list(SECTIONS), choices=list(SECTIONS))
    parser.add_argument("--models", nargs="+", default=["1.3B", "14B"], choices=["1.3B", "14B"])
    parser.add_argument(
        "--checkpoints", nargs="+", default=None, help="folders or shipped names; all shipped by default"
    )
    parser.add_argument("--device", default=None, help="as torch names it; CUDA unless told")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results" / "gpu.json")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--smoke", action="store_true", help="tiny shapes, to see that everything runs")
    told = parser.parse_args(arguments)
    sys.path.extend(str(folder.absolute()) for folder in told.packages)
    if told.device is None and (cuda_available() or told.smoke):
        told.device = "cuda" if cuda_available() else "cpu"
    if told.smoke and told.device == "cpu":
        os.environ["TRITON_INTERPRET"] = "1"  # before anything imports Triton
    return told


def cuda_available() -> bool:
    """Whether there is torch, and it sees a CUDA device."""
    if find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


def main(arguments: list[str] | None = None) -> int:
    """Runs, writes and prints.

    Returns:
        0 when every section ran, 1 when one was left out, 2 without a device to measure.
    """
    told = parse(arguments)
    if told.device is None:
        print(
            "a CUDA device must be there to be measured, got none; --smoke runs tiny shapes on the CPU", file=sys.stderr
        )
        return 2
    results = run(told)
    print(told.output)
    print(render(results))
    return int(bool(results["left_out"]))


if __name__ == "__main__":
    sys.exit(main())

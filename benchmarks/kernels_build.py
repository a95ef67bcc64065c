"""Compiles every Triton kernel for GPUs that need not be there, and tells registers, spills and shared memory.

    python -m benchmarks.kernels_build --capabilities 80 90 100 --json builds.json

Triton's bundled ptxas does the work, and its cuobjdump reads the result: a stack is what registers spilled to. Exits
with 1 if one spills, with 2 if Triton came without a tool. Without TRITON_INTERPRET, which makes kernels that cannot
be compiled.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from benchmarks.kernels_cases import PICTURES, SHAPES, KernelCase, build_cases

DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


@dataclass(frozen=True, kw_only=True)
class Build:
    """What the compiler made of a kernel.

    Attributes:
        kernel: The public function's name.
        shape: The shape's name.
        dtype: Of the activations.
        capability: Of the GPU; 90 is sm_90.
        registers: A thread's.
        spilled_bytes: A thread's stack.
        shared_bytes: A program's shared memory.
        num_warps: A program's.
        vector_accesses: Loads and stores of 16 bytes in the code.
        matrix_instructions: Of the matrix units in the code.
    """

    kernel: str
    shape: str
    dtype: str
    capability: int
    registers: int
    spilled_bytes: int
    shared_bytes: int
    num_warps: int
    vector_accesses: int
    matrix_instructions: int


def build(case: KernelCase, dtype: str, capability: int, max_registers: int | None = None) -> Build:
    """Compiles one kernel at one shape."""
    launch = case.plan(case.draw(torch.device("meta"), DTYPES[dtype]))
    if max_registers is not None:
        launch = replace(launch, options={**launch.options, "maxnreg": max_registers})
    compiled: Any = launch.compile(capability)
    registers, stack = resources(compiled.asm["cubin"])
    ptx = compiled.asm["ptx"]
    return Build(
        kernel=case.kernel,
        shape=case.shape,
        dtype=dtype,
        capability=capability,
        registers=registers,
        spilled_bytes=stack,
        shared_bytes=compiled.metadata.shared,
        num_warps=compiled.metadata.num_warps,
        vector_accesses=len(re.findall(r"(?:ld|st)\.global[.\w:]*\.v4|cp\.async\.cg", ptx)),
        matrix_instructions=len(re.findall(r"wgmma\.mma_async|tcgen05\.mma|mma\.sync", ptx)),
    )


def resources(cubin: bytes) -> tuple[int, int]:
    """Registers and stack bytes a thread, read from the compiled code."""
    from triton import knobs

    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        command = [knobs.nvidia.cuobjdump.path, "--dump-resource-usage", file.name]
        told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"REG:(\d+) STACK:(\d+)", told)
    if found is None:
        raise RuntimeError(f"cuobjdump must tell REG and STACK, got {told!r}")
    return int(found[1]), int(found[2])


def builds(
    cases: Iterable[KernelCase], dtypes: Sequence[str], capabilities: Sequence[int], max_registers: int | None = None
) -> list[Build]:
    """Compiles all cases in all dtypes for all GPUs."""
    return [
        build(case, dtype, capability, max_registers)
        for case in cases
        for dtype in dtypes
        for capability in capabilities
    ]


def missing_tools() -> list[str]:
    """What builds need and this machine lacks: Triton, or the parts of CUDA that its wheel brings along."""
    if find_spec("triton") is None:
        return ["triton"]
    from triton import knobs

    lacking = []
    for tool in ("ptxas", "ptxas_blackwell", "cuobjdump"):  # the second serves sm_90 and sm_100 in Triton 3.9
        try:
            _ = getattr(knobs.nvidia, tool).path
        except (AttributeError, RuntimeError):
            lacking.append(tool)
    return lacking


def render(results: Sequence[Build]) -> str:
    """Returns the results as a table."""
    head = f"{'kernel':20}{'shape':15}{'dtype':10}{'sm':>4}{'regs':>6}{'spilled':>8}{'shared':>8}"
    head += f"{'warps':>6}{'16 B':>6}{'mma':>5}"
    rows = [
        f"{each.kernel:20}{each.shape:15}{each.dtype:10}{each.capability:4}{each.registers:6}{each.spilled_bytes:8}"
        f"{each.shared_bytes:8}{each.num_warps:6}{each.vector_accesses:6}{each.matrix_instructions:5}"
        for each in results
    ]
    return "\n".join([head, *rows])


def main() -> int:
    """Compiles, prints the table and writes the JSON.

    Returns:
        0 when all is well, 1 if a kernel spills, 2 if there is nothing to compile with.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--capabilities", type=int, nargs="+", default=[80, 90, 100])
    parser.add_argument("--shapes", nargs="+", default=list(SHAPES), choices=list(SHAPES))
    parser.add_argument("--pictures", nargs="+", default=list(PICTURES), choices=list(PICTURES))
    parser.add_argument("--dtypes", nargs="+", default=["bfloat16"], choices=list(DTYPES))
    parser.add_argument("--max-registers", type=int, default=None, help="of a thread: what would spill with fewer")
    parser.add_argument("--json", type=Path, default=None)
    told = parser.parse_args()
    lacking = missing_tools()
    if lacking:
        print(f"builds need {', '.join(lacking)}, which this machine lacks: install Triton's wheel", file=sys.stderr)
        return 2
    shapes = {name: SHAPES[name] for name in told.shapes}
    cases = build_cases(shapes, {name: PICTURES[name] for name in told.pictures})
    results = builds(cases, told.dtypes, told.capabilities, told.max_registers)
    print(render(results))
    if told.json is not None:
        told.json.write_text(json.dumps([asdict(each) for each in results], indent=1) + "\n", encoding="utf-8")
    return int(any(each.spilled_bytes for each in results))


if __name__ == "__main__":
    sys.exit(main())

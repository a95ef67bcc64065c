"""One launch of a Triton kernel as a value: to run, or to compile for a GPU that is not there."""

from dataclasses import dataclass, field
from typing import Any

import triton
from torch import Tensor
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, CompiledKernel

_TYPES = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32", "int32": "i32", "int64": "i64", "uint8": "u8"}


@dataclass(frozen=True, kw_only=True)
class Launch:
    """A kernel with all that a launch needs.

    Attributes:
        kernel: what `triton.jit` made.
        grid: programs along x, y and z.
        arguments: by name: tensors, numbers, None for an absent tensor; compile-time constants too.
        num_warps: warps of 32 threads a program.
        num_stages: depth of the software pipeline of loops.
    """

    kernel: Any
    grid: tuple[int, ...]
    arguments: dict[str, Any]
    num_warps: int = 4
    num_stages: int = 1
    options: dict[str, Any] = field(default_factory=lambda: {"enable_fp_fusion": True})  # 3.10 turns it off

    def run(self) -> None:
        """Launch; returns before the GPU is done."""
        options = {"num_warps": self.num_warps, "num_stages": self.num_stages, **self.options}
        self.kernel[self.grid](**self.arguments, **options)

    def compile(self, capability: int) -> CompiledKernel:
        """Compile for a GPU of this compute capability (90 is sm_90) without running; needs no GPU.

        Tensors may be on the meta device; they count as aligned to 16 bytes, as torch's allocator aligns them.
        """
        signature: dict[str, str] = {}
        constants: dict[str, Any] = {}
        attributes: dict[tuple[int, ...], list[list[Any]]] = {}
        for position, parameter in enumerate(self.kernel.params):
            value = self.arguments[parameter.name]
            if parameter.is_constexpr or value is None or (isinstance(value, int) and value == 1):
                signature[parameter.name], constants[parameter.name] = "constexpr", value
                continue
            signature[parameter.name] = _type(value)
            if isinstance(value, Tensor) or (isinstance(value, int) and value % 16 == 0):
                attributes[(position,)] = [["tt.divisibility", 16]]
        source = ASTSource(fn=self.kernel, signature=signature, constexprs=constants, attrs=attributes)
        options = {"num_warps": self.num_warps, "num_stages": self.num_stages, **self.options}
        return triton.compile(source, target=GPUTarget("cuda", capability, 32), options=options)


def _type(value: Tensor | float) -> str:
    if isinstance(value, Tensor):
        return "*" + _TYPES[str(value.dtype).removeprefix("torch.")]
    if isinstance(value, float):
        return "fp32"
    return "i32" if abs(value) < 2**31 else "i64"

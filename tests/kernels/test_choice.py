"""Which implementation runs: nothing of Triton is even loaded where plain torch serves."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
CODE = """
import sys, torch
from wm_gym.kernels.flow_step import flow_step
from wm_gym.kernels.modulated_layer_norm import modulated_layer_norm, residual_layer_norm
from wm_gym.kernels.qk_norm_rope import qk_norm_rope, qk_norm_rope_write
from wm_gym.kernels.ring_attention import ring_attention
from wm_gym.kernels.rms_norm_silu import rms_norm_silu

row, table, angles = torch.ones(1, 2, 8), torch.ones(1, 1, 8), torch.ones(1, 2, 2)
ring = torch.ones(1, 4, 2, 4)
modulated_layer_norm(row, table, table)
residual_layer_norm(row, row, table, table, table)
qk_norm_rope(row, row, row[0, 0], row[0, 0], angles, angles)
first, written = torch.tensor([0]), torch.tensor([2])
query = qk_norm_rope_write(row, row, row, row[0, 0], row[0, 0], angles, angles, ring, ring.clone(), first)
ring_attention(query, ring, ring, written)
rms_norm_silu(torch.ones(1, 2, 1, 1, 1), torch.ones(2))
flow_step(torch.ones(1, 1, 2, 1, 1), torch.ones(1, 1, 2, 1, 1), torch.ones(1, 1), torch.zeros(1, 1))
print([name for name in sys.modules if name.split(".")[0] == "triton" or "kernels.triton" in name])
"""


def test_the_cpu_path_loads_no_triton() -> None:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    command = [sys.executable, "-c", CODE]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip() == "[]"

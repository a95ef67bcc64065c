"""What benchmarks share: the ratio of two that took turns, and where the figures go."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


def turn_ratio(times: Sequence[float], reference: Sequence[float]) -> tuple[float, list[float]]:
    """The median of the turns' ratios, which a slow moment hardly moves, and their quartiles."""
    low, ratio, high = np.quantile(np.divide(times, reference), [0.25, 0.5, 0.75])
    return float(ratio), [float(low), float(high)]


def write_report(results: Mapping[str, Any], path: Path) -> None:
    """Writes `results` as JSON, makes the folder where it is missing, and says where they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(path)

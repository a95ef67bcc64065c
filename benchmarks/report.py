"""Where a benchmark's figures go: a JSON file, and its path on the screen."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write_report(results: Mapping[str, Any], path: Path) -> None:
    """Writes `results` as JSON, makes the folder where it is missing, and says where they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(path)

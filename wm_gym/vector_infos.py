"""Infos of a batch as Gymnasium's vector envs give them: an array a name, and beside it the mask of who has it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wm_gym.vector_arguments import Rows


def masked(values: Mapping[str, Any], rows: Rows) -> dict[str, Any]:
    """Infos of some rows: zeros in the others, and a mask beside every name. No rows, no names.

    Of objects only those that are not None count.
    """
    infos: dict[str, Any] = {}
    for name, value in values.items() if rows.any() else ():
        if isinstance(value, np.ndarray) and value.dtype == object:
            told = rows & np.array([each is not None for each in value])
            if told.any():
                infos[f"_{name}"] = told
                infos[name] = np.full(len(rows), None, dtype=object)
                infos[name][told] = value[told]
            continue
        infos[f"_{name}"] = rows.copy()
        if isinstance(value, Mapping):
            infos[name] = masked(value, rows)
        else:
            infos[name] = np.zeros_like(value)
            infos[name][rows] = value[rows]
    return infos


def finals(observations: NDArray[Any], values: Mapping[str, Any], rows: Rows) -> dict[str, Any]:
    """The last observations and infos of rows that ended and have begun anew."""
    if not rows.any():
        return {}
    last = np.full(len(rows), None, dtype=object)
    for row in np.flatnonzero(rows):
        last[row] = observations[row].copy()
    return {
        "final_obs": last,
        "_final_obs": rows.copy(),
        "final_info": masked(values, rows),
        "_final_info": rows.copy(),
    }

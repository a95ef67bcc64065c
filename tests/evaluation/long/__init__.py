"""Tests of the long-horizon suite: each metric near its ceiling on real frames and near its floor on broken ones."""

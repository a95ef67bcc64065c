"""Tests of `envs.minigrid.twin`."""

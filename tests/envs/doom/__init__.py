"""Tests of `envs.doom.twin`."""

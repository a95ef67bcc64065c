"""Tests of `envs.coinrun.twin`."""

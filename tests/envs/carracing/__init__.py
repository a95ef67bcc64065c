"""Tests of `envs.carracing.twin`."""

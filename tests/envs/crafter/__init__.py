"""Tests of `envs.crafter.twin`."""

"""Tests of `envs.pusht.twin`."""

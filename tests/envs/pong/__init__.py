"""Tests of `envs.pong.twin`."""

"""Tests of `wm_gym.kernels`."""

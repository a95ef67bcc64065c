"""Tests of `wm_gym.training.latent_actions`."""

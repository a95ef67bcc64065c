"""Tests of `wm_gym.autoencoder`."""

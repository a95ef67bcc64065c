"""Latent actions: learned from video without labels, then named by a few labelled minutes."""

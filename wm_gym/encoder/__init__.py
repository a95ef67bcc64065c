"""The encoder: latents of frames -> observation tokens."""

"""The autoencoder: frames <-> latents."""

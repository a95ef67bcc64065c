"""The decoder g: latent state and past chunks -> the latents of the next chunk, by few-step flow matching."""

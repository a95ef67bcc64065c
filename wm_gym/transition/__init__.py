"""The transition: rounds of observation and action tokens -> the next latent state, by a causal language model."""

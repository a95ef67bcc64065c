"""The worlds under the libraries that RL people use, each the real one."""

"""Fused operations: a public function and a torch reference each, and a Triton twin of the same name in `triton/`."""

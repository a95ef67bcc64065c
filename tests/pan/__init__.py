"""Tests of the PAN-scale preset, on tiny random parts of the very same library classes."""

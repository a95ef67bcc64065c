"""Speed, measured: one module a subject, run with `python -m benchmarks.<subject>`; results are kept in `results/`."""

"""Measures a learned world against its real twin.

`config.FidelityConfig` says what to run, `fidelity.evaluate_fidelity` runs it and returns a `report.FidelityReport`;
`plots` draws what the report holds. The scoring (`states`, `pixels`, `events`, `intervals`, `scoring`) is pure: arrays
and states in, numbers out. `general.evaluate_general` does it world by world, with action following (`probes` ->
`inverse_dynamics` -> `following`); `world_plans` holds what differs between worlds.
"""

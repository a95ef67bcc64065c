"""What becomes of a world over a long time: drift, smoothness, consistency, obedience, revisits, laws, rewards.

Each metric is a file of pure functions: frames in, numbers out. `suite.run_suite` dreams what they need from any
checkpoint, world by world, and keeps what is finished; `page` makes one HTML report of it. The metrics of PAN (Xiang et
al., 2025, arXiv 2511.09057) and of its benchmark WR-Arena (arXiv 2603.25887) are here in an open form: where theirs ask
a closed model, ours ask the real twin.
"""

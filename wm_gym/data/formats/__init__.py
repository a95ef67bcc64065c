"""Other formats of recorded experience, in and out: Minari, LeRobot v3.0, HDF5, NumPy, videos with captions."""

"""Training: one loop, and for every stage a loss and a batch."""

"""Energy tiers: a label that each node keeps, and the scheduler profile that prefers by it."""

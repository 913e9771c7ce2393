"""Moves of running pods: which few evictions save the most energy. Pure."""

"""Scenarios run on simulated nodes with the production code."""

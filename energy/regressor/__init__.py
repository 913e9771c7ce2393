"""Predicts a server's power curve from what is known of it without a load-level measurement."""

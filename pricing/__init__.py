"""Bid prices, placement rules and the bounds they are measured against. Pure."""

"""Scenario families: seeded builders of what happens to a fleet, without saying who places it."""

"""What a watt costs: units, power curves, profiles, catalogue, regressor. Pure but for loading."""

"""Traffic forecasts 5 to 30 minutes ahead: models, their mixture, calibration, and the service."""

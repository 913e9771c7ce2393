"""What is measured: readings of load and power, taken from Prometheus."""

"""What workloads are asked to do, by the minute: queries by exporter, and samples from answers."""

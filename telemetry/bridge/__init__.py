"""The bridge: what Prometheus has of every minute goes onto the stream, once or more often."""

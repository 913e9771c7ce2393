"""The stream between bridge, forecaster and autoscaler: one interface, in memory and on Kafka."""

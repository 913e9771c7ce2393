"""The cluster as values (nodes, pods, workloads, snapshots) and kube-scheduler's rules."""

"""The scheduler extender: scores nodes for kube-scheduler, or only watches what it chooses."""

"""Feasibility and kube-scheduler's own scores, pure and vectorised over nodes."""

"""A real control plane on loopback whose nodes are simulated by KWOK."""

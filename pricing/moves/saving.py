"""What a move costs and what it must earn."""

from __future__ import annotations

#: A pod that starts uses half of its CPU request for a minute before it serves: assumption of our
#: prototype study of autoscaling, for services.
START_SECONDS = 60.0
START_CPU_RATIO = 0.5

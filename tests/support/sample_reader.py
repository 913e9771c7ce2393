"""A process that reads samples, keeps them in a file, then commits: for tests that kill it.

Its one argument is JSON: settings of Kafka, a group and a file. Each line of the file is a sample;
whoever reads it upserts by key and time.
"""

from __future__ import annotations

import json
import os
import sys

from telemetry.kafka import KafkaSettings, KafkaStream
from telemetry.messages import TrafficSample
from telemetry.stream.interface import SAMPLES_TOPIC


def main() -> None:
    """Read until killed; a few at a time, so that the kill comes in the middle."""
    told = json.loads(sys.argv[1])
    stream = KafkaStream(KafkaSettings.model_validate_json(json.dumps(told["settings"])))
    consumer = stream.consumer(SAMPLES_TOPIC, told["group"])
    with open(told["file"], "ab") as kept:  # noqa: PTH123 - bytes, unbuffered below
        while True:
            batch = consumer.poll(1.0, 10)
            for record in batch.records:
                assert isinstance(record.message, TrafficSample)
                kept.write(record.message.to_bytes() + b"\n")
            kept.flush()
            os.fsync(kept.fileno())
            consumer.commit(batch)


if __name__ == "__main__":
    main()

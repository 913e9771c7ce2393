"""Which presets are asked, in which order, and how soon those that brought nothing are again."""

from __future__ import annotations

from collections.abc import Mapping

from telemetry.node_readings import NodeReading, PresetReadings
from telemetry.preset_chain import SOON_SECONDS, ChainReadings, PresetChain
from telemetry.presets import Preset, Quantity
from telemetry.prometheus import PrometheusError

PROBE_SECONDS = 300.0
NODES = frozenset("ab")
PRESETS = [
    Preset(name=name, quantity=Quantity.CPU_CORES, metric=name)
    for name in ("first", "second", "third")
]


class Asked:
    """Presets that answer as the test says, and the order in which they were asked."""

    def __init__(self, **answers: Mapping[str, float | None] | Exception) -> None:
        self.answers = answers
        self.order: list[str] = []

    def ask(self, preset: Preset) -> PresetReadings:
        """Answer for one preset."""
        self.order.append(preset.name)
        answer = self.answers.get(preset.name, {})
        if isinstance(answer, Exception):
            raise answer
        return PresetReadings(
            by_node={
                node: NodeReading(
                    value=value,
                    quantity=preset.quantity,
                    source=preset.name,
                    sampled_at_seconds=0.0,
                )
                for node, value in answer.items()
            }
        )

    def read(self, chain: PresetChain, at: float) -> ChainReadings:
        """Read once; a reading holds if it is a number."""
        self.order.clear()
        return chain.read(
            self.ask, lambda _, reading: reading.value is not None, nodes=NODES, now_seconds=at
        )


def a_chain() -> PresetChain:
    """Return a chain that has asked nothing yet."""
    return PresetChain(PRESETS, probe_seconds=PROBE_SECONDS)


def refusal() -> PrometheusError:
    """Return an error of one query."""
    return PrometheusError("refused", where="there", mend="mend it", kind="refused")


def test_nobody_is_asked_once_every_node_is_covered() -> None:
    """The dear presets come last, and are asked only for what the cheap ones leave open."""
    asked, chain = Asked(first={"a": 1.0, "b": 1.0}, second={"a": 2.0}), a_chain()

    found = asked.read(chain, at=0)

    assert asked.order == ["first"]
    assert [(status.name, status.nodes) for status in found.statuses] == [("first", 2)]


def test_the_last_readings_stay_where_a_query_fails() -> None:
    """With the times of their samples, and not of nodes that went; an answer replaces them."""
    asked, chain = Asked(first={"a": 1.0, "b": 1.0}), a_chain()
    asked.read(chain, at=0)

    asked.answers["first"] = refusal()
    found = asked.read(chain, at=15)
    fewer = chain.read(asked.ask, lambda _, reading: True, nodes=frozenset("a"), now_seconds=15)
    asked.answers["first"] = {"b": 2.0}
    after = asked.read(chain, at=30)

    assert {node: readings[0].sampled_at_seconds for node, readings in found.by_node.items()} == {
        "a": 0.0,
        "b": 0.0,
    }
    assert [(status.nodes, bool(status.error)) for status in found.statuses] == [(2, True)]
    assert set(fewer.by_node) == {"a"}
    assert {node: readings[0].value for node, readings in after.by_node.items()} == {"b": 2.0}


def test_a_reading_that_does_not_hold_leaves_its_node_to_the_next_preset() -> None:
    """Both stay in the list, best first, so that the chain can say what it passed over."""
    asked, chain = Asked(first={"a": None, "b": 1.0}, second={"a": 2.0, "b": 9.0}), a_chain()

    found = asked.read(chain, at=0)

    assert asked.order == ["first", "second"]
    assert [reading.source for reading in found.by_node["a"]] == ["first", "second"]
    assert [(status.name, status.nodes) for status in found.statuses] == [
        ("first", 1),
        ("second", 1),
    ]


def test_a_preset_that_brought_nothing_is_left_out_until_the_next_probe() -> None:
    """Node b has no meter at all; that is no reason to ask for everything each time."""
    asked, chain = Asked(second={"a": 1.0}), a_chain()

    asked.read(chain, at=0)
    assert asked.order == ["first", "second", "third"]
    asked.read(chain, at=15)
    assert asked.order == ["second"]
    asked.answers["first"] = {"a": 1.0, "b": 1.0}
    asked.read(chain, at=PROBE_SECONDS - 1)
    assert asked.order == ["second"]
    asked.read(chain, at=PROBE_SECONDS)
    assert asked.order == ["first"]
    asked.read(chain, at=PROBE_SECONDS + 15)
    assert asked.order == ["first"]


def test_all_are_probed_soon_after_a_node_has_lost_its_reading() -> None:
    """Somebody has replaced one exporter by another."""
    asked, chain = Asked(first={"a": 1.0, "b": 1.0}), a_chain()
    asked.read(chain, at=0)

    asked.answers = {"second": {"a": 1.0, "b": 1.0}}
    asked.read(chain, at=15)
    asked.read(chain, at=15 + SOON_SECONDS - 1)
    assert asked.order == ["first"]
    asked.read(chain, at=15 + SOON_SECONDS)

    assert asked.order == ["first", "second"]


def test_an_error_of_one_preset_is_its_own() -> None:
    """The others are asked all the same, and all are probed again soon."""
    asked, chain = Asked(first=refusal(), second={"a": 1.0, "b": 2.0}), a_chain()

    found = asked.read(chain, at=0)
    asked.answers["first"] = {"a": 1.0, "b": 1.0}
    asked.read(chain, at=SOON_SECONDS)

    assert [status.error for status in found.statuses] == ["there: refused; mend it", ""]
    assert asked.order == ["first"]


def test_where_nothing_is_found_everything_is_tried_each_time() -> None:
    """Prometheus may have started a second ago."""
    asked, chain = Asked(), a_chain()
    asked.read(chain, at=0)
    asked.answers = {"third": {"a": 1.0, "b": 1.0}}

    found = asked.read(chain, at=15)

    assert found.by_node.keys() == NODES

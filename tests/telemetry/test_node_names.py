"""Which node a sample is of: by what the exporter said, exactly, or nobody's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.node_names import NAMING_LABELS, NodeNames, aliases_of, host_of, said_of

NODES = frozenset({"worker-1", "worker-2", "node-with-a-v6-address"})
NAMES = NodeNames(
    names=NODES,
    aliases={"10.0.0.1": "worker-1", "fd00::3": "node-with-a-v6-address", "host2.lan": "worker-2"},
)


@pytest.mark.parametrize(
    ("labels", "node"),
    [
        ({"node_name": "worker-1", "instance": "10.9.9.9:28282"}, "worker-1"),  # Kepler from 0.10
        ({"exported_instance": "worker-2", "instance": "10.0.0.1:9102"}, "worker-2"),  # before
        ({"instance": "worker-2", "job": "kepler"}, "worker-2"),  # before, labels honoured
        ({"node": "worker-1", "instance": "10.0.0.2:10250"}, "worker-1"),  # kubelet
        ({"instance": "10.0.0.1:9100"}, "worker-1"),  # node_exporter
        ({"instance": "[fd00::3]:9100"}, "node-with-a-v6-address"),
        ({"instance": "worker-1:9100"}, "worker-1"),
        ({"kubernetes_io_hostname": "worker-2", "instance": "x"}, "worker-2"),
        ({"nodename": "host2.lan"}, "worker-2"),
        ({"node": "worker-1.example.com"}, None),  # not guessed
        ({"node": "WORKER-1"}, None),
        ({"instance": "10.0.0.9:9100"}, None),
        ({"job": "kepler"}, None),
        ({}, None),
    ],
)
def test_a_node_is_found_by_the_label_that_names_it(labels, node) -> None:
    """Names and addresses that are known, in all the forms that exporters use."""
    assert NAMES.node_of(labels) == node


def test_a_stranger_is_not_taken_for_the_machine_that_its_exporter_runs_on() -> None:
    """What the exporter said comes before what the scrape says of the exporter."""
    assert NAMES.node_of({"exported_node": "a-vm", "node": "worker-1"}) is None
    assert NAMES.node_of({"node_name": "a-bmc", "instance": "worker-1:9290"}) is None


def test_an_empty_label_says_nothing() -> None:
    """Prometheus has no empty labels, but other servers of its API do."""
    assert NAMES.node_of({"node": "", "instance": "worker-1:9100"}) == "worker-1"


@given(st.dictionaries(st.sampled_from(NAMING_LABELS), st.text(max_size=30), max_size=4))
def test_a_node_is_one_that_the_labels_name(labels) -> None:
    """Whatever the labels, the answer is a node whose name or alias stands in them, or None."""
    node = NAMES.node_of(labels)

    said = {host_of(value) for value in labels.values()} | set(labels.values())
    assert node is None or said & ({node} | {a for a, n in NAMES.aliases.items() if n == node})


@given(st.text(max_size=40))
def test_a_host_is_part_of_its_address(address) -> None:
    """Cutting the port off invents nothing and never raises."""
    assert host_of(address) in address


def test_an_alias_that_two_nodes_claim_names_neither() -> None:
    """Fake nodes share the loopback address; a NAT shares another."""
    claims = [
        ("10.0.0.1", "worker-1"),
        ("10.0.0.1", "worker-1"),
        ("10.0.0.2", "worker-1"),
        ("10.0.0.2", "worker-2"),
        ("127.0.0.1", "worker-1"),
        ("localhost", "worker-1"),
        ("::1", "worker-1"),
        ("worker-2", "worker-1"),
        ("", "worker-1"),
        ("10.0.0.3", "a-stranger"),
    ]

    aliases, contested = aliases_of(NODES, claims)

    assert aliases == {"10.0.0.1": "worker-1"}
    assert contested == ("10.0.0.2",)


def test_who_is_not_known_is_named() -> None:
    """The operator reads which label to mend."""
    assert said_of({"instance": "10.0.0.9:9100", "job": "a"}) == "instance=10.0.0.9:9100"
    assert said_of({"job": "a"}) == "no label that names a node"

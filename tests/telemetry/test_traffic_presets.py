"""Every preset against what its exporter puts out, on a real Prometheus; and queries of one's own.

Expected values are worked out by hand from `traffic_history`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from traffic_history import History

from energy.errors import InputError
from telemetry.messages import TrafficSample
from telemetry.prometheus import Prometheus, PrometheusError, PrometheusSettings
from telemetry.traffic.check import HONOR_LABELS, SignalFinding, SignalState, checked
from telemetry.traffic.cluster_state import SERVICE_OWNERS
from telemetry.traffic.custom import read_custom_queries
from telemetry.traffic.presets import PRESETS
from telemetry.traffic.query import (
    Naming,
    Signal,
    TrafficQuery,
    TrafficScope,
    rendered,
    unknown_placeholders,
)
from telemetry.traffic.reader import TrafficOptions, TrafficReader

pytestmark = pytest.mark.prometheus

# Behind ingress and mesh: nine tenths of the requests in the first bucket, so that the 95th
# percentile is half way through the second one.
EXPECTED = {
    "istio": {"bank/Deployment/pay": {Signal.REQUESTS: 7, Signal.RESPONSE_TIME: 0.15}},
    "envoy-gateway": {"shop/Deployment/api": {Signal.REQUESTS: 2, Signal.RESPONSE_TIME: 0.15}},
    "ingress-nginx": {"shop/Deployment/web": {Signal.REQUESTS: 4, Signal.RESPONSE_TIME: 0.15}},
    "traefik": {"shop/StatefulSet/cart": {Signal.REQUESTS: 2, Signal.RESPONSE_TIME: 0.2}},
    "kubernetes": {
        "shop/Deployment/web": {
            Signal.CPU: 1,
            Signal.MEMORY: 100e6,
            Signal.NETWORK: 3000,
            Signal.READY: 2,
        },
        "shop/Deployment/api": {Signal.READY: 1},
        "shop/StatefulSet/cart": {
            Signal.CPU: 0.5,
            Signal.MEMORY: 50e6,
            Signal.NETWORK: 1500,
            Signal.READY: 1,
        },
        "shop/DaemonSet/agent": {Signal.CPU: 0.5, Signal.MEMORY: 50e6, Signal.READY: 3},
        "shop/ReplicaSet/solo": {Signal.CPU: 0.5, Signal.MEMORY: 50e6, Signal.NETWORK: 1500},
    },
}
OWN = """
queries:
  - signal: requests_per_second
    promql: sum by (where, app) (rate(shop_requests_total[$window]))  # the whole shop
    namespace_label: where
    name_label: app
    kind: Deployment
  - signal: requests_per_second
    promql: sum(rate(restarted_requests_total{app!=""$match}[$window]))
    workload: shop/Deployment/again
  - signal: cpu_cores
    promql: last_over_time(odd[$stale])
    namespace_label: where
    name_label: app
    kind: Deployment
  - signal: memory_bytes
    promql: same
    namespace_label: where
    name_label: app
    kind: Deployment
"""


@pytest.fixture
def prometheus(traffic_history: History) -> Iterator[Prometheus]:
    """Give a connection to the Prometheus with a past."""
    connected = Prometheus(PrometheusSettings(url=traffic_history.url))
    yield connected
    connected.close()


def options(*presets: str, **more: object) -> TrafficOptions:
    """Return what a bridge with these presets asks."""
    queries = tuple(query for name in presets for query in PRESETS[name].queries)
    return replace(TrafficOptions(queries=queries), **more)


def measured(sample: TrafficSample) -> dict[Signal, float]:
    """Return what a sample has."""
    found = sample.model_dump(include=set(Signal), exclude_none=True)
    return {Signal(name): value for name, value in found.items()}


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_finds_what_its_exporter_puts_out(
    prometheus: Prometheus, traffic_history: History, preset: str
) -> None:
    """Of the workload, not of its pods or Services; what others say of themselves is left out."""
    minute = traffic_history.minute_last
    reading = TrafficReader(prometheus, options(preset)).read(minute, minute)

    found = {sample.key: measured(sample) for sample in reading.assembly.samples}
    assert found == {
        key: {signal: pytest.approx(value, rel=1e-6) for signal, value in signals.items()}
        for key, signals in EXPECTED[preset].items()
    }
    assert {sample.timestamp_milliseconds for sample in reading.assembly.samples} == {
        minute * 60_000
    }
    assert reading.failures == ()


def test_pods_behind_a_service_are_known_by_addresses_or_by_slices(
    prometheus: Prometheus, traffic_history: History
) -> None:
    """Newer kube-state-metrics has slices alone; only names that Kubernetes made say whose."""
    at_seconds = traffic_history.minute_last * 60
    found = prometheus.query(rendered(SERVICE_OWNERS, TrafficScope()), at_seconds=at_seconds)

    assert {tuple(sorted(each.labels.items())) for each in found} == {
        (("kind", kind), ("name", name), ("namespace", "shop"), ("service", service))
        for service, kind, name in (
            ("web-svc", "Deployment", "web"),
            ("sliced", "StatefulSet", "cart"),
        )
    }


def test_the_presets_are_all_tried() -> None:
    """A preset without an expectation would be one that nobody has seen work."""
    assert EXPECTED.keys() == PRESETS.keys()
    assert {query.source for preset in PRESETS.values() for query in preset.queries} == set(PRESETS)


def test_every_minute_of_a_range_is_there(prometheus: Prometheus, traffic_history: History) -> None:
    """A minute by itself is as it is among others."""
    reader = TrafficReader(prometheus, options(*PRESETS))
    first, last = traffic_history.minute_last - 20, traffic_history.minute_last

    whole = tuple(reader.read(first, last).assembly.samples)

    assert len(whole) == 21 * len({sample.key for sample in whole})
    alone = reader.read(first + 7, first + 7).assembly.samples
    assert tuple(alone) == tuple(
        sample for sample in whole if sample.timestamp_milliseconds == (first + 7) * 60_000
    )


def test_series_of_two_scrapers_are_one_where_labels_tell_them_apart(
    prometheus: Prometheus, traffic_history: History
) -> None:
    """Those of Prometheus Operator are known; without a hint two series are two parts."""
    minute = traffic_history.minute_last
    query = TrafficQuery(
        source="own",
        signal=Signal.REQUESTS,
        promql="sum by (app) ($once(same))",
        workload="shop/Deployment/web",
    )

    renamed = 'label_replace(same, "prometheus_replica", "$1", "replica", "(.+)")'
    renamed = f'label_replace({renamed}, "replica", "", "", "")'
    operated = replace(query, promql=query.promql.replace("same", renamed))

    def read(scope: TrafficScope, query: TrafficQuery = query) -> float | None:
        asked = TrafficOptions(queries=(query,), scope=scope)
        (sample,) = TrafficReader(prometheus, asked).read(minute, minute).assembly.samples
        return sample.requests_per_second

    assert read(TrafficScope()) == 11
    assert read(TrafficScope(), operated) == 6
    assert read(TrafficScope(duplicate_labels=()), operated) == 11
    assert read(TrafficScope(duplicate_labels=("replica",))) == 6


def test_what_somebody_wrote_is_asked(
    prometheus: Prometheus, traffic_history: History, tmp_path: Path
) -> None:
    """By labels or for one workload; NaN, infinite, negative, absurd and old values are absent."""
    file = tmp_path / "queries.yaml"
    file.write_text(OWN)
    minute = traffic_history.minute_last
    asked = options(queries=read_custom_queries(file).queries)

    assembly = TrafficReader(prometheus, asked).read(minute - 65, minute).assembly

    newest = {
        sample.key: measured(sample)
        for sample in assembly.samples
        if sample.timestamp_milliseconds == minute * 60_000
    }
    assert newest == {
        "shop/Deployment/search": {Signal.REQUESTS: pytest.approx(6)},
        "shop/Deployment/again": {Signal.REQUESTS: pytest.approx(6)},
        "odd/Deployment/sound": {Signal.CPU: 5},
        "odd/Deployment/twice": {Signal.MEMORY: 6},
    }
    assert assembly.refused == {Signal.CPU: 2 * 66}  # negative and absurd, each minute
    # The counter that began anew an hour ago was no fall, and nothing measured is negative.
    again = [s.requests_per_second for s in assembly.samples if s.key == "shop/Deployment/again"]
    assert len(again) == 66
    assert all(rate is not None and 4 < rate < 7 for rate in again)
    # Its last sample is ten minutes old: two minutes later it passes for now no more.
    stopped = [s for s in assembly.samples if s.key == "odd/Deployment/stopped"]
    ended = stopped[-1].timestamp_milliseconds // 60_000
    assert minute - 10 <= ended <= minute - 8


def test_services_may_be_given_and_namespaces_left_out(
    prometheus: Prometheus, traffic_history: History
) -> None:
    """What somebody wrote counts before what can be told."""
    minute = traffic_history.minute_last
    given = {"shop/web-svc": "shop/Deployment/front", "far/away": "far/Deployment/away"}
    asked = options("ingress-nginx", "traefik", services=given, namespaces=frozenset({"shop"}))

    assembly = TrafficReader(prometheus, asked).read(minute, minute).assembly

    assert {s.key for s in assembly.samples} == {"shop/Deployment/front", "shop/StatefulSet/cart"}
    assert assembly.strangers == ()


def test_a_query_that_is_refused_leaves_the_others(
    prometheus: Prometheus, traffic_history: History
) -> None:
    """It is named; alone it is an error."""
    minute = traffic_history.minute_last
    broken = TrafficQuery(source="own", signal=Signal.CPU, promql="sum(", naming=Naming.WORKLOAD)
    asked = options(queries=(broken, *PRESETS["istio"].queries))

    reading = TrafficReader(prometheus, asked).read(minute, minute)

    assert [sample.key for sample in reading.assembly.samples] == ["bank/Deployment/pay"]
    assert reading.failed == {"refused": 1}
    assert "own cpu_cores" in reading.failures[0]
    assert "parse error" in reading.failures[0]


def finding(
    prometheus: Prometheus, minute: int, query: TrafficQuery, scope: TrafficScope | None = None
) -> SignalFinding:
    """Check one query."""
    asked = TrafficOptions(queries=(query,), scope=scope or TrafficScope())
    (found,) = checked(prometheus, asked, minute)
    return found


def test_a_check_says_what_is_missing_and_how_to_mend_it(
    prometheus: Prometheus, traffic_history: History
) -> None:
    """Found, unnamed, absent, too few scrapes, refused."""
    minute = traffic_history.minute_last
    requests = PRESETS["traefik"].queries[0]

    found = finding(prometheus, minute, PRESETS["istio"].queries[0])
    some = finding(prometheus, minute, requests)
    alone = replace(requests, promql='label_replace(vector(1), "name", "elsewhere-x-80", "", "")')
    elsewhere = finding(prometheus, minute, alone)
    absent = finding(prometheus, minute, requests, TrafficScope(matchers='cluster="other"'))
    too_early = finding(prometheus, traffic_history.minute_first - 60, requests)
    narrow = finding(prometheus, minute, requests, TrafficScope(window_seconds=2))
    refused = finding(prometheus, minute, replace(requests, promql="sum("))
    written = finding(prometheus, minute, replace(requests, promql="sum(", source="custom query 2"))
    alone = replace(requests, promql="sum(", source="custom query 2")
    with pytest.raises(PrometheusError, match=r"custom query 2 requests_per_second: answered 400"):
        TrafficReader(prometheus, TrafficOptions(queries=(alone,))).read(minute, minute)
    wrong = TrafficScope(matchers='job="wrong"')
    misread = finding(prometheus, minute, PRESETS["kubernetes"].queries[-1], wrong)
    guessed = TrafficQuery(
        source="own",
        signal=Signal.REQUESTS,
        promql='label_replace(label_replace(vector(1), "name", "web-svc", "", ""),'
        ' "namespace", "shop", "", "")',
        naming=Naming.SERVICE,
    )
    guess = finding(prometheus, minute, guessed, wrong)

    assert (found.state, found.workloads, found.mend) == (SignalState.FOUND, 1, "")
    assert (some.state, some.workloads) == (SignalState.FOUND, 1)
    assert "far-away-80" in some.lacking
    assert (elsewhere.state, elsewhere.workloads) == (SignalState.UNNAMED, 0)
    assert "services:" in elsewhere.mend
    assert absent.state is SignalState.ABSENT
    assert absent.lacking == "traefik_service_requests_total"
    assert "metrics.prometheus" in absent.mend
    assert too_early.state is SignalState.ABSENT  # as of the minute that is looked at
    assert narrow.state is SignalState.TOO_FEW
    assert refused.state is SignalState.FAILED
    assert refused.lacking.startswith("answered 400: ")
    assert refused.mend == "correct the query"
    assert written.mend == "correct custom query 2 in --queries-file"
    assert (misread.state, misread.lacking) == (
        SignalState.ABSENT,
        "kube_deployment_status_replicas_ready with honor_labels",
    )
    assert "honor_labels" in misread.mend
    assert (guess.state, guess.mend) == (SignalState.FOUND, HONOR_LABELS)


def test_groups_of_prometheus_own_are_no_placeholders_of_ours() -> None:
    """`$1`, and `$name` of a group that is so named, belong to label_replace."""
    numbered = 'label_replace(up{a=~"b$"}, "c", "$1-${2}", "d", "(.*)-(.*)")'
    named = 'label_replace(rate(up[$window]), "c", "$app", "d", "(?P<app>.*)-.*")'

    assert unknown_placeholders(numbered) == unknown_placeholders(named) == ()
    assert unknown_placeholders("up[${windo}] + up$matches") == ("$windo", "$matches")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("queries: [", "is no YAML"),
        ("querys: []", "querys"),
        ("queries: [{signal: rps, promql: up, workload: a/Deployment/b}]", "queries.0.signal"),
        ("queries: [{signal: cpu_cores, promql: up}]", "give workload"),
        ("queries: [{signal: cpu_cores, promql: up, workload: web}]", "is no workload"),
        (
            "queries: [{signal: cpu_cores, promql: up, workload: a/B/c, name_label: x}]",
            "not both",
        ),
        ("queries: [{signal: cpu_cores, promql: up, name_label: 'a b'}]", "name_label"),
        ("[1, 2]", "give names and values"),
        ("queries: [up]", "queries.0: give names and values"),
        ("queries: 5", "queries: give a list; see docs/how-to/stream-traffic.md for an example"),
        ("", "holds neither queries nor services; see"),
        ("queries: []", "holds neither queries nor services; see"),
        ("queries: [{signal: cpu_cores}]", "queries.0.promql: is missing; see"),
        (
            "queries: [{signal: cpu_cores, promql: 'rate(a[$windw])', workload: a/Deployment/b}]",
            "queries.0.promql: $windw stands for nothing; write one of $window, $stale, $match",
        ),
        ("services: [web]", "services: give names and values"),
        ("[" * 1000, "is nested too deeply"),
        ("services: {web: shop/Deployment/web}", "is no Service"),
        ("services: {shop/web: web}", "is no workload"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, text: str, words: str
) -> None:
    """It says where."""
    file = tmp_path / "queries.yaml"
    file.write_text(text)

    with pytest.raises(InputError) as refused:
        read_custom_queries(file)

    assert str(refused.value).startswith(str(file))
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
    assert " _" not in str(refused.value)

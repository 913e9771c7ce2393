"""Real components: skip what needs an absent one, say so at the end, or fail where required.

NEGAWATT_REQUIRE_COMPONENTS=1 turns every skip into a failure, whether of a test or of a file that
skips itself (`shared` excepted: that data does not travel with the repository).
HYPOTHESIS_PROFILE is `dev` (random), `ci` (the same examples each time) or `night` (many).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Generator

import components
import distribution
import pytest
from hypothesis import HealthCheck, is_hypothesis_test, settings

pytest_plugins = ["sandbox_fixtures", "database_fixtures", "kafka_broker"]

#: What the report of a skipped test names its component by, also from process to process.
ABSENT = "absent component"

# How long an example takes says more about the machine than about the code: no deadlines.
_SETTLED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.register_profile("dev", _SETTLED)
settings.register_profile("ci", _SETTLED, derandomize=True)
settings.register_profile("night", _SETTLED, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_configure(config: pytest.Config) -> None:
    """Give each of several processes its ports."""
    if worker := _worker(config):
        distribution.take_own_ports(worker)


def _worker(config: pytest.Config) -> str:
    """Name the process of pytest-xdist that this is; "" for the only or the first one."""
    return str(getattr(config, "workerinput", {}).get("workerid", ""))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(
    config: pytest.Config, log: object
) -> distribution.GroupScheduling | None:
    """Hand out files in the order of `distribution`, those that share a server together."""
    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False
    return distribution.GroupScheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests that use a fixture of a real component, and arrange them for processes.

    Coverage is not measured in what is slow or runs over and over with other examples: it would
    take twice as long, for lines that others reach.
    """
    for item in items:
        for fixture, marker in components.MARKER_OF_FIXTURE.items():
            if fixture in getattr(item, "fixturenames", ()):
                item.add_marker(marker)
        if item.get_closest_marker("slow") or is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker("no_cover")
    if _worker(config):
        distribution.arrange(items)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip or fail a test whose component is absent, before any fixture starts."""
    for marker in _markers(item):
        if not (reason := components.lack(marker)):
            continue
        if components.REQUIRED and marker not in components.NEVER_REQUIRED:
            pytest.fail(f"{marker} is required: {reason}", pytrace=False)
        item.user_properties.append((ABSENT, marker))
        pytest.skip(reason)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where components are required, a test must not find another reason to skip itself."""
    report = yield
    if not hasattr(report, "wasxfail"):
        _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Nor must a file skip itself before it has any tests, as pytest.importorskip lets it."""
    report = yield
    _refuse_skip(report)
    return report


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    said = str(report.longrepr)
    if components.REQUIRED and report.skipped and not _is_excused(said):
        report.outcome = "failed"
        report.longrepr = f"skipped, though every component is required: {said}"


def _is_excused(said: str) -> bool:
    lacks = (components.lack(marker) for marker in components.NEVER_REQUIRED)
    return any(lack and lack in said for lack in lacks)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name each absent component, how many tests it cost and how to get it."""
    reports = terminalreporter.stats.get("skipped", [])
    properties = [each for report in reports for each in getattr(report, "user_properties", ())]
    skipped = Counter(marker for name, marker in properties if name == ABSENT)
    if not skipped:
        return
    terminalreporter.section("real components that were absent")
    for marker, count in sorted(skipped.items()):
        tests = "test" if count == 1 else "tests"
        terminalreporter.write_line(f"{marker}: {count} {tests} skipped: {components.lack(marker)}")


def _markers(item: pytest.Item) -> list[str]:
    return [name for name in components.MARKERS if item.get_closest_marker(name)]

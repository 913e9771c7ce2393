"""The options of `negawatt simulate place`, checked and turned into what the simulator takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from energy.catalogue import Catalogue
from energy.errors import InputError
from simulator.comparison import StreamScenario
from simulator.fleet import Fleet, named_fleet, read_fleet
from simulator.paper_scenario import PAPER_POLICIES, shipped_tasks
from simulator.pod_file import PodRecord, read_pods
from simulator.policies import BOUND, policy_names
from simulator.policy import Setting
from simulator.rank_grid import parts
from simulator.rank_policies import RANKED_POLICIES
from simulator.rank_suite import RankSuite
from simulator.recorded import RecordedStream, recorded_stream
from simulator.scenarios.families import RECORDED_FAMILIES, build_scenario

DEFAULT_POLICIES = ("default", "most-allocated", "efficiency-order", "negawatt", BOUND)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOptions:
    """The options as they were given; None where one was not."""

    pods: Path | None = None
    nodes: Path | None = None
    fleet: str | None = None
    policy: str | None = None
    seed: str
    sleep: str | None = None
    usage_ratio: float | None = None
    load: float | None = None

    def policy_or(self, default: Sequence[str]) -> tuple[str, ...]:
        """The policies that were asked for, or the default ones.

        Raises:
            InputError: one of them is unknown.
        """
        return policy_names(",".join(default) if self.policy is None else self.policy)

    def refuse(self, *names: str, scenario: str) -> None:
        """Refuse options that the scenario would ignore.

        Raises:
            InputError: one of them was given.
        """
        for name in names:
            if getattr(self, name) is not None:
                raise InputError(
                    f"{scenario} has its own",
                    where=f"--{name.replace('_', '-')}",
                    mend="leave the option out",
                )


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds of a comma-separated list of whole numbers from zero up.

    Raises:
        InputError: the list is empty or holds anything else.
    """
    try:
        seeds = tuple(dict.fromkeys(int(part) for part in text.split(",")))
    except ValueError:
        seeds = ()
    if not seeds or any(seed < 0 for seed in seeds):
        raise InputError(
            f"{text!r} is no list of seeds", where="--seed", mend="give whole numbers such as 1,2,3"
        )
    return seeds


def parse_ratio(value: float, where: str) -> float:
    """A ratio above 0 and up to 1.

    Raises:
        InputError: it is outside, or NaN.
    """
    if not (math.isfinite(value) and 0.0 < value <= 1.0):
        raise InputError(f"{value} is no ratio", where=where, mend="give a number above 0, up to 1")
    return value


def parse_sleep(text: str) -> bool:
    """Whether empty nodes sleep.

    Raises:
        InputError: it is neither `never` nor `empty`.
    """
    if text not in ("never", "empty"):
        raise InputError(f"{text!r} is no sleep mode", where="--sleep", mend="use never or empty")
    return text == "empty"


@dataclass(frozen=True, slots=True, kw_only=True)
class StandardRequest:
    """The standard burst: pods, a fleet, policies, seeds.

    ``is_paper`` also asks how often the prediction service's models agree.
    """

    records: Sequence[PodRecord]
    fleet: Fleet
    policies: tuple[str, ...]
    seeds: tuple[int, ...]
    is_paper: bool = False

    @classmethod
    def parse_paper(cls, options: PlaceOptions) -> StandardRequest:
        """Check the options and read the file of pods, if one is given."""
        options.refuse("nodes", "sleep", "usage_ratio", "load", scenario="the paper's scenario")
        return cls(
            policies=options.policy_or(PAPER_POLICIES),
            seeds=parse_seeds(options.seed),
            fleet=named_fleet(options.fleet or "20/30/10", Catalogue.shipped()),
            records=shipped_tasks() if options.pods is None else read_pods(options.pods).records,
            is_paper=True,
        )

    @classmethod
    def parse(cls, options: PlaceOptions) -> StandardRequest:
        """Check the options and read the files."""
        options.refuse("nodes", "sleep", "usage_ratio", "load", scenario="the standard scenario")
        if options.pods is None:
            raise InputError("no pods are given", where="--pods", mend="give openb's pod list")
        return cls(
            policies=options.policy_or(DEFAULT_POLICIES),
            seeds=parse_seeds(options.seed),
            fleet=named_fleet(options.fleet or "20/30/10", Catalogue.shipped()),
            records=read_pods(options.pods).records,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamRequest:
    """A stream from files, once per seed: what to place, on what, how graded."""

    scenarios: tuple[StreamScenario, ...]
    recorded: tuple[RecordedStream, ...]
    policies: tuple[str, ...]

    @classmethod
    def parse(cls, options: PlaceOptions) -> StreamRequest:
        """Check the options and read the files."""
        if options.pods is None:
            raise InputError("no pods are given", where="--pods", mend="give a CSV file of pods")
        if (options.nodes is None) == (options.fleet is None):
            raise InputError("give either --nodes or --fleet", mend="a file, or a named fleet")
        usage_ratio = 1.0 if options.usage_ratio is None else options.usage_ratio
        setting = Setting(
            usage_ratio=parse_ratio(usage_ratio, "--usage-ratio"),
            nodes_may_sleep=parse_sleep(options.sleep or "never"),
        )
        load = None if options.load is None else parse_ratio(options.load, "--load")
        policies, seeds = options.policy_or(DEFAULT_POLICIES), parse_seeds(options.seed)
        pod_file = read_pods(options.pods)
        scenarios, recorded = [], []
        for seed in seeds:
            fleet = _fleet(options, seed)
            recorded.append(recorded_stream(pod_file, fleet, load))
            name = f"{options.pods.name} on {fleet.name}"
            scenarios.append(_scenario(name, fleet, recorded[-1], setting, seed))
        return cls(scenarios=tuple(scenarios), recorded=tuple(recorded), policies=policies)


def _fleet(options: PlaceOptions, seed: int) -> Fleet:
    catalogue = Catalogue.shipped()
    if options.nodes is None:
        return named_fleet(options.fleet or "", catalogue)
    return read_fleet(options.nodes, catalogue, np.random.default_rng([seed, 2]))


def _scenario(
    name: str, fleet: Fleet, recorded: RecordedStream, setting: Setting, seed: int
) -> StreamScenario:
    return StreamScenario(
        name=name,
        fleet=fleet,
        stream=recorded.stream,
        setting=setting,
        seed=seed,
        start_seconds=0.0,
        end_seconds=recorded.end_seconds,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteRequest:
    """The placement suite: which policies, which seeds."""

    policies: tuple[str, ...]
    seeds: tuple[int, ...]

    @classmethod
    def parse(cls, options: PlaceOptions) -> SuiteRequest:
        """Check the options."""
        ignored = ("pods", "nodes", "fleet", "sleep", "usage_ratio", "load")
        options.refuse(*ignored, scenario="the suite")
        names = options.policy_or(DEFAULT_POLICIES)
        if names == (BOUND,):
            raise InputError(
                "the suite needs a policy that places pods", where="--policy", mend="name one"
            )
        return cls(policies=names, seeds=parse_seeds(options.seed))


def parse_rank(options: PlaceOptions) -> RankSuite:
    """The rank suite: which policies, which seeds, and openb's pods where they are given.

    The ablations run where no policy is named: they ask about the shipped ones.

    Raises:
        InputError: an option would be ignored, or the file of pods cannot be used.
    """
    ignored = ("nodes", "fleet", "sleep", "usage_ratio", "load")
    options.refuse(*ignored, scenario="the suite")
    names = options.policy_or(RANKED_POLICIES)
    suite = RankSuite(
        policies=tuple(name for name in names if name != BOUND),
        seeds=parse_seeds(options.seed),
        pods=options.pods,
        ablated=options.policy is None,
    )
    if options.pods is not None:
        file = read_pods(options.pods)
        keys = [key for part in parts(recorded=True) for key in part.scenarios()]
        for key in keys:
            if key.family in RECORDED_FAMILIES:
                build_scenario(key, suite.seeds[0], file)
    return suite

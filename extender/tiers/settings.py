"""What a person may configure: flags of `negawatt extender tiers run`, or the environment."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from extender.settings import NO_LEDGER, Ratio, Seconds
from extender.tiers.labels import CHANGES_PER_MINUTE_MAX, RELABEL_SECONDS_MIN, LabelLimits
from extender.tiers.order import HYSTERESIS_RATIO
from extender.tiers.survey import SurveyRules
from extender.tiers.wishes import TierOptions, TierRule
from pricing.rules import SAME_COST_RATIO
from telemetry.serving.given_settings import SettingsSource, require_whole_tls

PREFIX: Final = "NEGAWATT_TIERS__"
OBSERVE: Final = "observe"
ACT: Final = "act"
LEASE_NAME: Final = "negawatt-tiers"
LEASE_NAMESPACE: Final = "negawatt-system"


class TiersSettings(BaseSettings):
    """All that the controller of tiers can be told."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="forbid", env_ignore_empty=True
    )

    mode: Literal["observe", "act"] = Field(
        OBSERVE,
        description="`observe` writes nothing and says what it would do; `act` labels nodes.",
    )
    rule: TierRule = Field(
        TierRule.FILL_COST,
        description="What orders the nodes: `fill-cost` (watts a used core costs on a node at its"
        " target fill) or `peak-watts` (watts per core at full load).",
    )
    usage_ratio: Ratio = Field(
        0.5, description="What pods use of the CPU they request, 0-1; with fill-cost."
    )
    requested_gibibytes_per_core: (
        Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)] | None
    ) = Field(
        None,
        description="Memory that pods request for each core they request, GiB on average: nodes"
        " with less are full before their cores are; with fill-cost. Unset: does not count.",
    )
    nodes_may_sleep: bool = Field(
        default=False,
        description="Whether something turns empty nodes off; if so, idle watts count.",
    )
    hysteresis_ratio: Annotated[float, Field(ge=SAME_COST_RATIO, le=1, allow_inf_nan=False)] = (
        Field(
            HYSTERESIS_RATIO,
            description="By how much costs may contradict a label before it changes.",
        )
    )
    relabel_seconds_min: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = Field(
        RELABEL_SECONDS_MIN, description="From one change of a node's label to the next."
    )
    changes_per_minute_max: Annotated[int, Field(ge=1, le=100_000)] = Field(
        CHANGES_PER_MINUTE_MAX, description="Labels of all nodes together changed in a minute."
    )
    force: bool = Field(
        default=False, description="Take over labels of this key that others have set."
    )
    power_profiles: Path | None = Field(
        None, description="File of PowerProfile documents, besides those of the cluster."
    )
    kubeconfig: Path | None = Field(
        None,
        description="Kubeconfig file (default: as kubectl finds it, or the pod's account).",
    )
    context: str | None = Field(None, description="Context of the kubeconfig (default: current).")
    leader_elect: bool = Field(
        default=True,
        description="In `act`: change labels only while holding the Lease, as one of several"
        " replicas.",
    )
    lease_name: Annotated[str, Field(min_length=1)] = Field(
        LEASE_NAME, description="Name of that Lease."
    )
    lease_namespace: Annotated[str, Field(min_length=1)] = Field(
        LEASE_NAMESPACE, description="Namespace of that Lease; it has to exist."
    )
    resync_seconds: Seconds = Field(
        300.0, description="All nodes are looked at again after so long, whatever happened."
    )
    ledger_url: str = Field(
        NO_LEDGER,
        repr=False,  # it may hold a password
        description="Database that keeps each change of a label (SQLAlchemy URL); `none` keeps"
        " none, the log has them all the same.",
    )
    ledger_password_file: Path | None = Field(
        None,
        description="File with the password for the ledger's database, where that is a server;"
        " the URL then has none.",
    )
    host: str = Field(
        "127.0.0.1",
        description="Address to listen on; off loopback a token or a client CA is required.",
    )
    port: Annotated[int, Field(ge=0, le=65_535)] = Field(
        10_381, description="Port to listen on; 0 takes any, and is printed."
    )
    token_file: Path | None = Field(
        None, description="File with the bearer token that callers off loopback must send."
    )
    tls_cert_file: Path | None = Field(None, description="Certificate to serve HTTPS with.")
    tls_key_file: Path | None = Field(None, description="Key of that certificate.")
    tls_client_ca_file: Path | None = Field(
        None, description="CA, of its own, whose client certificates are let in off loopback."
    )
    drain_seconds: Annotated[float, Field(ge=0, le=3600, allow_inf_nan=False)] = Field(
        0.0, description="How long to go on answering after SIGTERM, while /readyz says no."
    )

    @model_validator(mode="after")
    def _tls_is_whole(self) -> TiersSettings:
        require_whole_tls(self)
        return self

    def survey_rules(self) -> SurveyRules:
        """What of it decides about labels."""
        return SurveyRules(
            options=TierOptions(
                rule=self.rule,
                usage_ratio=self.usage_ratio,
                nodes_may_sleep=self.nodes_may_sleep,
                hysteresis_ratio=self.hysteresis_ratio,
                requested_gibibytes_per_core=self.requested_gibibytes_per_core,
            ),
            limits=LabelLimits(
                relabel_seconds_min=self.relabel_seconds_min,
                changes_per_minute_max=self.changes_per_minute_max,
            ),
            force=self.force,
        )


SOURCE: Final = SettingsSource(
    kind=TiersSettings,
    prefix=PREFIX,
    service="the controller of tiers",
    command="negawatt extender tiers run",
)


def read_settings(
    flags: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None
) -> TiersSettings:
    """See `SettingsSource.read`."""
    return SOURCE.read(flags, environ)

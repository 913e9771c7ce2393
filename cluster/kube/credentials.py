"""Where the credentials come from: a kubeconfig, or the ServiceAccount of the pod we run in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from kubernetes.client import Configuration
from kubernetes.config import ConfigException, load_incluster_config, load_kube_config
from yaml import YAMLError

from cluster.kube.errors import KubeconfigError
from cluster.kube.settings import KubeSettings

_LACKING = re.compile(r"Expected object with name (?P<name>.+) in .*/(?P<kind>\w+)s list$")
_DEFAULT_KUBECONFIG = "~/.kube/config"
_IN_CLUSTER_VARIABLE = "KUBERNETES_SERVICE_HOST"  # the kubelet sets it in every pod


def load_credentials(
    configuration: Configuration, settings: KubeSettings, environment: Mapping[str, str]
) -> None:
    """Fill `configuration` in the order that `KubeSettings.credentials` tells.

    Raises:
        KubeconfigError: no kubeconfig, a broken one, or an unknown context.
    """
    named = str(settings.kubeconfig) if settings.kubeconfig else environment.get("KUBECONFIG", "")
    wants_file = bool(named or settings.context) or _IN_CLUSTER_VARIABLE not in environment
    if settings.credentials == "in-cluster" or (settings.credentials == "auto" and not wants_file):
        _load_service_account(configuration)
    else:
        _load_kubeconfig(configuration, named or _DEFAULT_KUBECONFIG, settings.context)


def _load_service_account(configuration: Configuration) -> None:
    try:
        load_incluster_config(client_configuration=configuration)
    except (ConfigException, OSError) as error:
        raise KubeconfigError(
            _one_line(error),
            where="ServiceAccount of this pod",
            mend="run inside a pod that mounts its token, or name a kubeconfig",
        ) from error


def _load_kubeconfig(configuration: Configuration, paths: str, context: str | None) -> None:
    """Read one file, or several parted by colons as kubectl does."""
    files = [Path(part).expanduser() for part in paths.split(":") if part]
    if not any(file.is_file() for file in files):
        mend = "name an existing one with --kubeconfig or KUBECONFIG"
        raise KubeconfigError("no such kubeconfig", where=paths, mend=mend)
    try:
        load_kube_config(
            config_file=":".join(map(str, files)),
            context=context,
            client_configuration=configuration,
            persist_config=False,  # the user's file is the user's
        )
    except ConfigException as error:
        mend = "see `kubectl config get-contexts`"
        raise KubeconfigError(_refusal(error), where=paths, mend=mend) from error
    except YAMLError as error:
        line = getattr(getattr(error, "problem_mark", None), "line", -1) + 1
        mend = "export it again"
        raise KubeconfigError(f"not YAML (line {line})", where=paths, mend=mend) from error
    except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
        # The library trusts the file's shape; whatever it trips over is the file's fault. The
        # error's own text may quote a key, so only its kind is shown.
        what = f"not a usable kubeconfig ({type(error).__name__})"
        raise KubeconfigError(what, where=paths, mend="export it again") from error


def _refusal(error: ConfigException) -> str:
    """What a kubeconfig lacks; the library's own words name the file once more."""
    said = _one_line(error)
    lack = _LACKING.search(said)
    return f"no {lack['kind']} {lack['name']}" if lack else said


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()).rstrip(".")

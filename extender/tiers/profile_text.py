"""The text of the scheduler configuration for tiers: fields in braces are filled by `profile`."""

from __future__ import annotations

from typing import Final

BESIDE: Final = """\
# kube-scheduler 1.36 beside the one that the cluster has: it places the pods that ask for
# `schedulerName: {name}` and no others.
"""
IN_PLACE: Final = """\
# The cluster's own kube-scheduler 1.36, where one may configure the control plane: every pod that
# names no other scheduler goes by energy tiers.
"""
TOGETHER: Final = """\
# The cluster's own kube-scheduler 1.36, where one may configure the control plane: pods that ask
# for `schedulerName: {name}` go by energy tiers, all others as ever.
"""

HEAD: Final = """\
# Written by `negawatt extender tiers profile`. What each figure follows from, with the arithmetic:
# docs/reference/scheduler-configuration.md.
apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
"""

POD_CONNECTION: Final = """
# No kubeconfig: in a pod the scheduler takes its ServiceAccount. 50 requests a second is
# kube-scheduler's own limit and would be the bottleneck of a burst: each pod costs two.
clientConnection:
  qps: 200
  burst: 400

# Two replicas, one of which schedules. The name differs from kube-scheduler's own lease, or the two
# would take turns.
"""
HOST_CONNECTION: Final = """
# The path of a static pod as kubeadm writes it. 50 requests a second is kube-scheduler's own limit
# and would be the bottleneck of a burst: each pod costs two.
clientConnection:
  kubeconfig: /etc/kubernetes/scheduler.conf
  qps: 200
  burst: 400

# kube-scheduler's own lease: during a roll-out the new one waits until the old one lets go.
"""
LEASE: Final = """\
leaderElection:
  leaderElect: true
  resourceNamespace: {namespace}
  resourceName: {lease}

profiles:
"""

DEFAULT_PROFILE: Final = """\
  # kube-scheduler as it comes, for the pods that ask for nothing.
  - schedulerName: default-scheduler

"""
PROFILE: Final = """\
  - schedulerName: {name}
    # A pod goes to the best tier among the nodes that are looked at, and these are taken in turn.
    # Half of them is nearly as good as all, and quicker. kube-scheduler's own share (0) is as much
    # at 500 nodes, but 34 % of 2,000 and 10 % of 5,000, where best tiers are missed.
    percentageOfNodesToScore: {percentage}
    plugins:
      preScore:
        disabled:
          - name: NodeResourcesBalancedAllocation
      score:
        disabled:
          # It prefers nodes whose CPU and memory are equally full, against packing.
          - name: NodeResourcesBalancedAllocation
          # Pulling an image costs seconds once; a wrong tier costs watts for the pod's life.
          - name: ImageLocality
        # Filters are those of every kube-scheduler: what a pod requires stays required. What users
        # prefer has more weight than tiers at their strongest ({affinity} x 100 points, and 100
        # each of packing and spreading), in kube-scheduler's own proportions of 3 : 2 : 2.
        enabled:
          - name: TaintToleration # PreferNoSchedule: {taints} x 100 points
            weight: {taints}
          # Tiers and what pods prefer themselves, see addedAffinity below. One tier is at least one
          # point of a hundred, so {affinity}: more than packing (100) and the built-in spreading of
          # replicas (100) together. Both decide among nodes of equal tier only.
          - name: NodeAffinity
            weight: {affinity}
          - name: InterPodAffinity # {company} x 100 points, whatever the weight of the term
            weight: {company}
          - name: DynamicResources # which of several devices a claim likes better
            weight: {company}
          # Packing within a tier. kube-scheduler's own LeastAllocated would spread.
          - name: NodeResourcesFit
            weight: {fit}
          # Soft spreading: of Services and controllers over hosts and zones (built in), and what
          # pods ask for with ScheduleAnyway. It has one weight for both, and with more than 1 the
          # replicas of every Deployment would open dearer nodes. DoNotSchedule is not affected.
          - name: PodTopologySpread
            weight: {spread}
    pluginConfig:
      - name: NodeResourcesFit
        args:
          scoringStrategy:
            type: {strategy}
"""

ALIKE: Final = "            # Equal weights: a node is full when either is.\n"
FILLED: Final = """\
            # Pods use {usage:g} of the CPU that they request, so that a node on which {fill} % is
            # requested runs where it is most efficient. Beyond that another node of its tier is
            # begun first; the rest is filled when there is none.
"""

TIERS: Final = """\
      - name: NodeAffinity
        args:
          # The weight of the node's tier is added to those of the pod's own preferred terms, and
          # nodes are compared by the sums. {best} down to {worst}, {step} less a tier, 0 without
          # a label: a term of 50 or more beats every tier, one of 10 beats two tiers.
          addedAffinity:
            preferredDuringSchedulingIgnoredDuringExecution:
"""
TERM: Final = """\
              - weight: {weight}
                preference:
                  matchExpressions:
                    - key: {label}
                      operator: In
                      values: {values}
"""

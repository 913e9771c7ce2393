"""kube-scheduler 1.36's decisions in process: feasibility, scores and the choice, as arrays.

    table = NodeTable.of(node_order(nodes))
    placement = schedule_one(table, pod, SchedulerProfile.default(), TieState())
    if placement:
        table.assign(pod, placement.index)
    else:
        print(why_pending(table, pod, SchedulerProfile.default()))

One implementation for the simulator, the node autoscaler and the planner. Pure: no clock, no
randomness of its own, no I/O. Tests replay the real scheduler's decisions and find every score,
reason and tie the same (tests/cluster/golden/decisions.go), and let a running one judge it.

Left out, and what that means:

* Volumes, dynamic resource allocation, pod groups, declared node features: pods that need them
  are judged by the rest.
* Preemption and nominated nodes: a pod never displaces another, so priorities play no part.
* ImageLocality: it gives every node 0 where no image sizes are known.
* OpportunisticBatching: kube-scheduler itself does not batch while PodTopologySpread has default
  constraints, as it does unless configured away.
* The timing of kube-scheduler's 16 filtering workers, which shuffles the list of feasible nodes a
  little: it can decide ties, and which nodes are sampled in clusters of 100 nodes and more.
* For pods that name their nodes by `metadata.name`, kube-scheduler's search order is random.
"""

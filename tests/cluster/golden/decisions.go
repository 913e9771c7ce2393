//go:build ignore

// Prints decisions of the real kube-scheduler on random small clusters, as JSON lines:
// decisions.jsonl.gz beside this file. Each line is a cluster with a sequence of pods; for each pod
// it has the node that kube-scheduler chose (one worker, so that ties are deterministic), each
// plugin's weighted scores, and the reasons against each node. Run it in a module that requires
// k8s.io/kubernetes v1.36:
//
//	cd deploy/local/kubernetes
//	go run ../../../tests/cluster/golden/decisions.go | gzip -9n > ../../../tests/cluster/golden/decisions.jsonl.gz
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/scheme"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/profile"
)

const tierLabel = "negawatt.dev.node-restriction.kubernetes.io/energy-tier"

var profiles = map[string]string{
	"default": `{}`,
	"most-allocated": `{"pluginConfig": [{"name": "NodeResourcesFit", "args": {
		"scoringStrategy": {"type": "MostAllocated", "resources": [{"name": "cpu", "weight": 1}, {"name": "memory", "weight": 1}]}}}]}`,
	"energy-tiers": `{"plugins": {"score": {"disabled": [{"name": "NodeAffinity"}], "enabled": [{"name": "NodeAffinity", "weight": 5}]}},
		"pluginConfig": [{"name": "NodeResourcesFit", "args": {
		"scoringStrategy": {"type": "MostAllocated", "resources": [{"name": "cpu", "weight": 1}, {"name": "memory", "weight": 1}]}}},
		{"name": "NodeAffinity", "args": {"addedAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [` + tierTerms() + `]}}}]}`,
	"ratio": `{"pluginConfig": [{"name": "NodeResourcesFit", "args": {
		"scoringStrategy": {"type": "RequestedToCapacityRatio",
		"resources": [{"name": "cpu", "weight": 3}, {"name": "memory", "weight": 2}, {"name": "example.com/gpu", "weight": 5}],
		"requestedToCapacityRatio": {"shape": [{"utilization": 0, "score": 2}, {"utilization": 33, "score": 9}, {"utilization": 100, "score": 0}]}}}},
		{"name": "NodeResourcesBalancedAllocation", "args": {"resources": [{"name": "cpu"}, {"name": "memory"}, {"name": "example.com/gpu"}]}}]}`,
}

func tierTerms() string {
	terms := ""
	for tier := 0; tier < 10; tier++ {
		if tier > 0 {
			terms += ","
		}
		terms += fmt.Sprintf(`{"weight": %d, "preference": {"matchExpressions": [{"key": %q, "operator": "In", "values": ["%d"]}]}}`, 100-10*tier, tierLabel, tier)
	}
	return terms
}

type decision struct {
	Pod      *v1.Pod             `json:"pod"`
	Chosen   string              `json:"chosen"`
	Message  string              `json:"message,omitempty"`
	Reasons  map[string][]string `json:"reasons,omitempty"`
	Feasible []string            `json:"feasible,omitempty"`
	Scores   map[string][]int64  `json:"scores,omitempty"`
}

type cluster struct {
	Seed       int64                        `json:"seed"`
	Profile    string                       `json:"profile"`
	Namespaces map[string]map[string]string `json:"namespaces"`
	Services   []*v1.Service                `json:"services,omitempty"`
	Nodes      []*v1.Node                   `json:"nodes"`
	Placed     []*v1.Pod                    `json:"placed"`
	Decisions  []decision                   `json:"decisions"`
}

func main() {
	klog.SetOutput(os.Stderr)
	klog.LogToStderr(false)
	names := []string{"default", "most-allocated", "energy-tiers", "ratio"}
	encoder := json.NewEncoder(os.Stdout)
	for seed := int64(1); seed <= 24; seed++ {
		must(encoder.Encode(play(seed, names[seed%4], 0)))
	}
	must(encoder.Encode(play(101, "default", 130)))
	must(encoder.Encode(play(102, "most-allocated", 260)))
}

// play lets the real scheduler place a sequence of pods. A large cluster has plain pods, and only
// the chosen nodes are printed: it shows the order of nodes, the sampling and the ties.
func play(seed int64, profileName string, large int) cluster {
	r := &dice{rand.New(rand.NewSource(seed))}
	ctx, cancel := context.WithCancel(klog.NewContext(context.Background(), klog.Logger{}))
	defer cancel()
	c := cluster{Seed: seed, Profile: profileName, Namespaces: map[string]map[string]string{
		"shop": {"kubernetes.io/metadata.name": "shop", "team": "a"},
		"lab":  {"kubernetes.io/metadata.name": "lab", "team": "b"},
	}}
	objects := []runtime.Object{}
	for name, labels := range c.Namespaces {
		objects = append(objects, &v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}})
	}
	if large == 0 && r.chance(0.5) {
		c.Services = append(c.Services, &v1.Service{ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop"},
			Spec: v1.ServiceSpec{Selector: map[string]string{"app": "web"}}})
		objects = append(objects, c.Services[0])
	}
	sched, framework := newScheduler(ctx, profileName, objects)
	snapshot := framework.SnapshotSharedLister().(*cache.Snapshot)
	logger := klog.FromContext(ctx)
	count := 10 + r.Intn(4)
	if large > 0 {
		count = large
	}
	for i := 0; i < count; i++ {
		node := r.node(i, large > 0)
		c.Nodes = append(c.Nodes, node)
		sched.Cache.AddNode(logger, node)
	}
	if large == 0 {
		for i := 0; i < 12; i++ {
			pod := r.pod(fmt.Sprintf("placed-%d", i))
			pod.Spec.NodeName = c.Nodes[r.Intn(count)].Name
			if r.chance(0.1) {
				now := metav1.NewTime(time.Unix(0, 0).UTC())
				pod.DeletionTimestamp = &now
			}
			c.Placed = append(c.Placed, pod)
			must(sched.Cache.AddPod(logger, pod))
		}
	}
	pods := 24
	if large > 0 {
		pods = 3 * large
	}
	for i := 0; i < pods; i++ {
		must(sched.Cache.UpdateSnapshot(logger, snapshot))
		var pod *v1.Pod
		if large > 0 {
			pod = r.plainPod(fmt.Sprintf("pod-%d", i))
		} else {
			pod = r.pod(fmt.Sprintf("pod-%d", i))
		}
		d := decide(ctx, sched, framework, pod, large > 0)
		c.Decisions = append(c.Decisions, d)
		if d.Chosen != "" {
			bound := pod.DeepCopy()
			bound.Spec.NodeName = d.Chosen
			must(sched.Cache.AddPod(logger, bound))
		}
	}
	return c
}

func newScheduler(ctx context.Context, profileName string, objects []runtime.Object) (*scheduler.Scheduler, framework.Framework) {
	text := `{"apiVersion": "kubescheduler.config.k8s.io/v1", "kind": "KubeSchedulerConfiguration", "profiles": [` + profiles[profileName] + `]}`
	decoded, _, err := scheme.Codecs.UniversalDecoder().Decode([]byte(text), nil, nil)
	must(err)
	configuration := decoded.(*config.KubeSchedulerConfiguration)
	client := fake.NewClientset(objects...)
	factory := informers.NewSharedInformerFactory(client, 0)
	recorders := profile.NewRecorderFactory(events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()}))
	sched, err := scheduler.New(ctx, client, factory, nil, recorders,
		scheduler.WithProfiles(configuration.Profiles...), scheduler.WithParallelism(1))
	must(err)
	factory.Start(ctx.Done())
	factory.WaitForCacheSync(ctx.Done())
	return sched, sched.Profiles["default-scheduler"]
}

func decide(ctx context.Context, sched *scheduler.Scheduler, f framework.Framework, pod *v1.Pod, onlyChoice bool) decision {
	d := decision{Pod: pod}
	info, err := framework.NewPodInfo(pod)
	must(err)
	result, err := sched.SchedulePod(ctx, f, framework.NewCycleState(), &framework.QueuedPodInfo{PodInfo: info})
	var unfit *framework.FitError
	if errors.As(err, &unfit) {
		d.Message = unfit.Error()
	} else {
		must(err)
		d.Chosen = result.SuggestedHost
	}
	if onlyChoice {
		return d
	}
	state := framework.NewCycleState()
	restricted, status, _ := f.RunPreFilterPlugins(ctx, state, pod)
	if !status.IsSuccess() {
		return d
	}
	nodes, err := f.SnapshotSharedLister().NodeInfos().List()
	must(err)
	feasible := []fwk.NodeInfo{}
	d.Reasons = map[string][]string{}
	for _, node := range nodes {
		name := node.Node().Name
		if !restricted.AllNodes() && !restricted.NodeNames.Has(name) {
			continue
		}
		if status := f.RunFilterPlugins(ctx, state, pod, node); status.IsSuccess() {
			feasible = append(feasible, node)
			d.Feasible = append(d.Feasible, name)
		} else {
			d.Reasons[name] = status.Reasons()
		}
	}
	if len(feasible) == 0 {
		return d
	}
	must(f.RunPreScorePlugins(ctx, state, pod, feasible).AsError())
	scores, status := f.RunScorePlugins(ctx, state, pod, feasible)
	must(status.AsError())
	d.Scores = map[string][]int64{}
	for _, node := range scores {
		for _, plugin := range node.Scores {
			d.Scores[plugin.Name] = append(d.Scores[plugin.Name], plugin.Score)
		}
	}
	return d
}

type dice struct{ *rand.Rand }

func (r *dice) chance(p float64) bool { return r.Float64() < p }

func (r *dice) of(choices ...string) string { return choices[r.Intn(len(choices))] }

func (r *dice) node(i int, plain bool) *v1.Node {
	name := fmt.Sprintf("n%d", i)
	node := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{}}}
	node.Status.Allocatable = v1.ResourceList{
		"cpu":    resource.MustParse(r.of("2", "4", "7910m", "16", "31850m")),
		"memory": resource.MustParse(r.of("4Gi", "8Gi", "15923868Ki", "32Gi", "64000M")),
		"pods":   resource.MustParse(r.of("4", "16", "110", "110")),
	}
	if plain {
		node.Status.Allocatable["pods"] = resource.MustParse("110")
		node.Labels["topology.kubernetes.io/zone"] = r.of("a", "a", "b", "c")
		return node
	}
	if r.chance(0.95) {
		node.Labels["kubernetes.io/hostname"] = name
	}
	if r.chance(0.85) {
		node.Labels["topology.kubernetes.io/zone"] = r.of("a", "b", "c")
	}
	if r.chance(0.8) {
		node.Labels[tierLabel] = r.of("0", "1", "2", "9")
	}
	if r.chance(0.7) {
		node.Labels["disk"] = r.of("ssd", "hdd")
	}
	if r.chance(0.7) {
		node.Labels["size"] = r.of("1", "8", "008", "30", "large")
	}
	if r.chance(0.3) {
		node.Status.Allocatable["example.com/gpu"] = resource.MustParse(r.of("1", "2", "8"))
	}
	if r.chance(0.3) {
		node.Status.Allocatable["ephemeral-storage"] = resource.MustParse("100Gi")
	}
	for _, effect := range []v1.TaintEffect{v1.TaintEffectNoSchedule, v1.TaintEffectPreferNoSchedule, v1.TaintEffectNoExecute} {
		if r.chance(0.12) {
			node.Spec.Taints = append(node.Spec.Taints, v1.Taint{Key: r.of("dedicated", "slow"), Value: r.of("lab", "shop"), Effect: effect})
		}
	}
	node.Spec.Unschedulable = r.chance(0.06)
	return node
}

func (r *dice) plainPod(name string) *v1.Pod {
	return &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Namespace: "shop"}, Spec: v1.PodSpec{
		Containers: []v1.Container{r.container("main", 0.9)}}}
}

func (r *dice) container(name string, requesting float64) v1.Container {
	requests := v1.ResourceList{}
	if r.chance(requesting) {
		requests["cpu"] = resource.MustParse(r.of("0", "10m", "100m", "0.25", "333m", "1", "1500m"))
	}
	if r.chance(requesting) {
		requests["memory"] = resource.MustParse(r.of("0", "16Mi", "200Mi", "1Gi", "1.5Gi", "777M"))
	}
	return v1.Container{Name: name, Resources: v1.ResourceRequirements{Requests: requests}}
}

func (r *dice) pod(name string) *v1.Pod {
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Namespace: r.of("shop", "shop", "lab"),
		Labels: map[string]string{"app": r.of("web", "db", "cache"), "rev": r.of("1", "2")}}}
	pod.Spec.Containers = []v1.Container{r.container("main", 0.8)}
	if r.chance(0.2) {
		pod.Spec.Containers = append(pod.Spec.Containers, r.container("second", 0.5))
	}
	if r.chance(0.15) {
		init := r.container("init", 0.7)
		if r.chance(0.5) {
			always := v1.ContainerRestartPolicyAlways
			init.RestartPolicy = &always
		}
		pod.Spec.InitContainers = []v1.Container{init, r.container("init-2", 0.7)}
	}
	if r.chance(0.1) {
		pod.Spec.Overhead = v1.ResourceList{"cpu": resource.MustParse("50m"), "memory": resource.MustParse("30Mi")}
	}
	if r.chance(0.08) {
		pod.Spec.Resources = &v1.ResourceRequirements{Requests: v1.ResourceList{"cpu": resource.MustParse("1200m")}}
	}
	if r.chance(0.15) {
		pod.Spec.Containers[0].Resources.Requests["example.com/gpu"] = resource.MustParse(r.of("0", "1", "2"))
	}
	if r.chance(0.1) {
		pod.Spec.Containers[0].Resources.Requests["ephemeral-storage"] = resource.MustParse("30Gi")
	}
	if r.chance(0.12) {
		pod.Spec.Containers[0].Ports = []v1.ContainerPort{{ContainerPort: 80, HostPort: int32(8080 + r.Intn(2)),
			Protocol: v1.Protocol(r.of("TCP", "TCP", "UDP")), HostIP: r.of("", "0.0.0.0", "127.0.0.1", "10.0.0.1")}}
	}
	r.tolerations(pod)
	r.nodeAffinity(pod)
	r.podAffinity(pod)
	r.spread(pod)
	return pod
}

func (r *dice) tolerations(pod *v1.Pod) {
	if r.chance(0.2) {
		pod.Spec.Tolerations = append(pod.Spec.Tolerations, v1.Toleration{Key: r.of("dedicated", "slow"),
			Operator: v1.TolerationOpEqual, Value: r.of("lab", "shop"), Effect: v1.TaintEffect(r.of("", "NoSchedule", "PreferNoSchedule"))})
	}
	if r.chance(0.08) {
		pod.Spec.Tolerations = append(pod.Spec.Tolerations, v1.Toleration{Key: r.of("", "dedicated", "node.kubernetes.io/unschedulable"),
			Operator: v1.TolerationOpExists})
	}
}

func (r *dice) nodeTerm() v1.NodeSelectorTerm {
	switch r.Intn(9) {
	case 0:
		return v1.NodeSelectorTerm{}
	case 1:
		return v1.NodeSelectorTerm{MatchFields: []v1.NodeSelectorRequirement{{Key: "metadata.name", Operator: v1.NodeSelectorOpNotIn, Values: []string{"n1"}}}}
	case 2:
		return v1.NodeSelectorTerm{MatchExpressions: []v1.NodeSelectorRequirement{
			{Key: "disk", Operator: v1.NodeSelectorOpExists},
			{Key: "size", Operator: v1.NodeSelectorOperator(r.of("Gt", "Lt")), Values: []string{r.of("0", "4", "8")}}}}
	case 3:
		return v1.NodeSelectorTerm{MatchExpressions: []v1.NodeSelectorRequirement{{Key: "disk", Operator: v1.NodeSelectorOpDoesNotExist}}}
	case 4:
		return v1.NodeSelectorTerm{MatchExpressions: []v1.NodeSelectorRequirement{{Key: tierLabel, Operator: v1.NodeSelectorOpNotIn, Values: []string{"2", "9"}}}}
	default:
		return v1.NodeSelectorTerm{MatchExpressions: []v1.NodeSelectorRequirement{{Key: "topology.kubernetes.io/zone", Operator: v1.NodeSelectorOpIn, Values: []string{r.of("a", "b"), "c"}}}}
	}
}

func (r *dice) nodeAffinity(pod *v1.Pod) {
	if r.chance(0.1) {
		pod.Spec.NodeSelector = map[string]string{"disk": r.of("ssd", "hdd")}
	}
	affinity := &v1.NodeAffinity{}
	if r.chance(0.15) {
		selector := &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{r.nodeTerm()}}
		if r.chance(0.3) {
			selector.NodeSelectorTerms = append(selector.NodeSelectorTerms, r.nodeTerm())
		}
		if r.chance(0.2) {
			selector = &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{MatchFields: []v1.NodeSelectorRequirement{
				{Key: "metadata.name", Operator: v1.NodeSelectorOpIn, Values: []string{r.of("n2", "n5", "absent")}}}}}}
		}
		affinity.RequiredDuringSchedulingIgnoredDuringExecution = selector
	}
	if r.chance(0.3) {
		for i := 0; i <= r.Intn(3); i++ {
			affinity.PreferredDuringSchedulingIgnoredDuringExecution = append(affinity.PreferredDuringSchedulingIgnoredDuringExecution,
				v1.PreferredSchedulingTerm{Weight: int32(1 + r.Intn(100)), Preference: r.nodeTerm()})
		}
	}
	if affinity.RequiredDuringSchedulingIgnoredDuringExecution != nil || affinity.PreferredDuringSchedulingIgnoredDuringExecution != nil {
		pod.Spec.Affinity = &v1.Affinity{NodeAffinity: affinity}
	}
}

func (r *dice) selector() *metav1.LabelSelector {
	switch r.Intn(8) {
	case 0:
		return nil
	case 1:
		return &metav1.LabelSelector{}
	case 2:
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: "app", Operator: metav1.LabelSelectorOpNotIn, Values: []string{r.of("web", "db")}}}}
	default:
		return &metav1.LabelSelector{MatchLabels: map[string]string{"app": r.of("web", "db", "cache")}}
	}
}

func (r *dice) podTerm() v1.PodAffinityTerm {
	term := v1.PodAffinityTerm{LabelSelector: r.selector(),
		TopologyKey: r.of("kubernetes.io/hostname", "topology.kubernetes.io/zone", "disk")}
	switch r.Intn(8) {
	case 0:
		term.Namespaces = []string{"lab"}
	case 1:
		term.NamespaceSelector = &metav1.LabelSelector{}
	case 2:
		term.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "b"}}
	}
	return term
}

func (r *dice) podAffinity(pod *v1.Pod) {
	affinity, anti := &v1.PodAffinity{}, &v1.PodAntiAffinity{}
	if r.chance(0.1) {
		affinity.RequiredDuringSchedulingIgnoredDuringExecution = append(affinity.RequiredDuringSchedulingIgnoredDuringExecution, r.podTerm())
		if r.chance(0.3) {
			affinity.RequiredDuringSchedulingIgnoredDuringExecution = append(affinity.RequiredDuringSchedulingIgnoredDuringExecution, r.podTerm())
		}
	}
	if r.chance(0.15) {
		affinity.PreferredDuringSchedulingIgnoredDuringExecution = append(affinity.PreferredDuringSchedulingIgnoredDuringExecution,
			v1.WeightedPodAffinityTerm{Weight: int32(1 + r.Intn(100)), PodAffinityTerm: r.podTerm()})
	}
	if r.chance(0.1) {
		anti.RequiredDuringSchedulingIgnoredDuringExecution = append(anti.RequiredDuringSchedulingIgnoredDuringExecution, r.podTerm())
	}
	if r.chance(0.15) {
		anti.PreferredDuringSchedulingIgnoredDuringExecution = append(anti.PreferredDuringSchedulingIgnoredDuringExecution,
			v1.WeightedPodAffinityTerm{Weight: int32(1 + r.Intn(100)), PodAffinityTerm: r.podTerm()})
	}
	if pod.Spec.Affinity == nil {
		pod.Spec.Affinity = &v1.Affinity{}
	}
	if len(affinity.RequiredDuringSchedulingIgnoredDuringExecution)+len(affinity.PreferredDuringSchedulingIgnoredDuringExecution) > 0 {
		pod.Spec.Affinity.PodAffinity = affinity
	}
	if len(anti.RequiredDuringSchedulingIgnoredDuringExecution)+len(anti.PreferredDuringSchedulingIgnoredDuringExecution) > 0 {
		pod.Spec.Affinity.PodAntiAffinity = anti
	}
	if *pod.Spec.Affinity == (v1.Affinity{}) {
		pod.Spec.Affinity = nil
	}
}

func (r *dice) spread(pod *v1.Pod) {
	if !r.chance(0.3) {
		return
	}
	for i := 0; i <= r.Intn(2); i++ {
		constraint := v1.TopologySpreadConstraint{MaxSkew: int32(1 + r.Intn(3)), LabelSelector: r.selector(),
			TopologyKey:       r.of("kubernetes.io/hostname", "topology.kubernetes.io/zone", "disk"),
			WhenUnsatisfiable: v1.UnsatisfiableConstraintAction(r.of("DoNotSchedule", "ScheduleAnyway", "ScheduleAnyway"))}
		if constraint.WhenUnsatisfiable == v1.DoNotSchedule && r.chance(0.3) {
			domains := int32(1 + r.Intn(4))
			constraint.MinDomains = &domains
		}
		if r.chance(0.3) {
			policy := v1.NodeInclusionPolicy(r.of("Honor", "Ignore"))
			constraint.NodeAffinityPolicy = &policy
		}
		if r.chance(0.3) {
			policy := v1.NodeInclusionPolicy(r.of("Honor", "Ignore"))
			constraint.NodeTaintsPolicy = &policy
		}
		if constraint.LabelSelector != nil && r.chance(0.2) {
			constraint.MatchLabelKeys = []string{"rev", "missing"}
		}
		pod.Spec.TopologySpreadConstraints = append(pod.Spec.TopologySpreadConstraints, constraint)
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

"""From Keras weights to an ONNX graph of standard operators; several networks are averaged in one.

The graph is written node by node, so that it depends on no converter. What all horizons share is
computed once: a dense layer on joined inputs is the sum of a product per input.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from energy.errors import InputError
from forecaster.horizons import QUANTILE_LEVELS
from forecaster.lstm import OUTPUT
from forecaster.training.network import INPUT_SHAPES, Shape, build
from forecaster.windows import CANDIDATES, HORIZON_FEATURES, HORIZONS, INPUTS

OPSET: Final = 17
IR_VERSION: Final = 8
#: Keras keeps an LSTM's gates as input, forget, cell, output; ONNX as input, output, forget, cell.
_GATE_ORDER: Final = (0, 3, 1, 2)
_ABSENT: Final = 1e9

Floats = npt.NDArray[np.float32]


class _Graph:
    """Nodes and constants under one prefix, so that several networks fit in one graph."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, npt.NDArray[Any]] = {}
        self.prefix = ""

    def constant(self, name: str, values: npt.ArrayLike, kind: npt.DTypeLike = np.float32) -> str:
        name = f"{self.prefix}{name}"
        self.constants[name] = np.asarray(values, dtype=kind)
        return name

    def add(
        self,
        operator: str,
        inputs: Sequence[str],
        name: str,
        **attributes: Any,  # noqa: ANN401 - each operator has its own
    ) -> str:
        name = f"{self.prefix}{name}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name


def to_onnx(models: Sequence[keras.Model]) -> bytes:
    """Write networks of `forecaster.training.network` as one graph that averages their quantiles.

    Args:
        models: one at the least.

    Returns:
        The file's bytes: inputs `forecaster.windows.INPUTS`, output `quantiles` [n, 6, 5].
    """
    graph = _Graph()
    minutes_first = graph.add("Transpose", ["sequence"], "steps", perm=[1, 0, 2])
    graph.constant("one", 1.0)
    graph.add("Sub", ["one", "candidate_present"], "absent_share")
    graph.add("Mul", ["absent_share", graph.constant("far", -_ABSENT)], "absent")
    outputs = []
    for number, model in enumerate(models):
        graph.prefix = f"network_{number}/"
        outputs.append(_network(graph, model, minutes_first))
    graph.prefix = ""
    if len(outputs) == 1:
        graph.add("Identity", outputs, OUTPUT)
    else:
        graph.add("Mean", outputs, OUTPUT)
    return _serialised(graph)


def export(models: Sequence[keras.Model], file: Path) -> None:
    """Write the graph to a file."""
    file.write_bytes(to_onnx(models))


def networks_of(file: Path) -> tuple[keras.Model, ...]:
    """Make the networks anew that a graph of `to_onnx` holds, to train them further.

    Raises:
        InputError: the file is no such graph.
    """
    try:
        constants = {
            each.name: numpy_helper.to_array(each) for each in onnx.load(file).graph.initializer
        }
        count = 1 + max(int(name[8]) for name in constants if name.startswith("network_"))
        return tuple(_rebuilt(constants, f"network_{number}/") for number in range(count))
    except Exception as error:  # protobuf's are no others' subclasses, and ship no types
        raise InputError(
            f"is no network of ours ({type(error).__name__})",
            where=str(file),
            mend="name a folder that `negawatt forecaster train` wrote",
        ) from error


def _rebuilt(constants: dict[str, npt.NDArray[Any]], prefix: str) -> keras.Model:
    def weights(name: str) -> npt.NDArray[Any]:
        return constants[f"{prefix}{name}"]

    def ungated(values: Floats) -> Floats:
        return _gates(values, units, np.argsort(_GATE_ORDER).tolist())

    units = weights("memory_r").shape[2]
    model = build(Shape(units, weights("summary_b").shape[0]))
    kernel, loops = weights("memory_w")[0], weights("memory_r")[0]
    bias = weights("memory_b")[0][: 4 * units]
    model.get_layer("memory").set_weights([ungated(kernel).T, ungated(loops).T, ungated(bias)])
    first = np.concatenate([weights("head_1_shared_w"), weights("head_1_own_w")])
    model.get_layer("head_1").set_weights([first, weights("head_1_b")])
    for name in ("summary", "head_2", "choice", "correction", "gaps"):
        model.get_layer(name).set_weights([weights(f"{name}_w"), weights(f"{name}_b")])
    return model


def _serialised(graph: _Graph) -> bytes:
    def described(name: str, shape: Sequence[int]) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape])

    made = helper.make_graph(
        graph.nodes,
        "traffic-forecast",
        [described(name, INPUT_SHAPES[name]) for name in INPUTS],
        [described(OUTPUT, (HORIZONS, len(QUANTILE_LEVELS)))],
        [numpy_helper.from_array(values, name) for name, values in graph.constants.items()],
    )
    opset = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(made, opset_imports=opset, producer_name="negawatt")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _network(graph: _Graph, model: keras.Model, steps: str) -> str:
    """Add one network; return the name of its quantiles."""
    memory = _memory(graph, model, steps)
    joined = graph.add("Concat", [memory, "context"], "joined", axis=1)
    summary = _dense(graph, model, "summary", joined)
    summary = graph.add("Relu", [summary], "summary_relu")
    each = _first_head(graph, model, summary)
    each = graph.add("Relu", [_dense(graph, model, "head_2", each)], "head_2_relu")
    return _quantiles(graph, model, each)


def _memory(graph: _Graph, model: keras.Model, steps: str) -> str:
    kernel, recurrent, bias = model.get_layer("memory").get_weights()
    units = recurrent.shape[0]
    weights = _gates(kernel.T, units)[None]
    loops = _gates(recurrent.T, units)[None]
    biases = np.concatenate([_gates(bias, units), np.zeros(4 * units, dtype=np.float32)])[None]
    inputs = [
        steps,
        graph.constant("memory_w", weights),
        graph.constant("memory_r", loops),
        graph.constant("memory_b", biases),
    ]
    name = f"{graph.prefix}memory_last"
    node = helper.make_node("LSTM", inputs, ["", name], hidden_size=units)
    graph.nodes.append(node)
    return graph.add("Squeeze", [name, graph.constant("first", [0], np.int64)], "memory")


def _gates(values: Floats, units: int, order: Sequence[int] = _GATE_ORDER) -> Floats:
    """Rows of four gates, in another order."""
    blocks = values.reshape(4, units, *values.shape[1:])
    return np.concatenate([blocks[gate] for gate in order])


def _dense(graph: _Graph, model: keras.Model, name: str, given: str) -> str:
    kernel, bias = model.get_layer(name).get_weights()
    product = graph.add("MatMul", [given, graph.constant(f"{name}_w", kernel)], f"{name}_product")
    return graph.add("Add", [product, graph.constant(f"{name}_b", bias)], f"{name}_sum")


def _first_head(graph: _Graph, model: keras.Model, summary: str) -> str:
    """The layer on [summary, horizons, candidates, candidate_present], a product for each."""
    kernel, bias = model.get_layer("head_1").get_weights()
    widths = (HORIZON_FEATURES, CANDIDATES, CANDIDATES)
    shared_rows = kernel.shape[0] - sum(widths)
    shared = graph.add(
        "Gemm",
        [
            summary,
            graph.constant("head_1_shared_w", kernel[:shared_rows]),
            graph.constant("head_1_b", bias),
        ],
        "head_1_shared",
    )
    shared = graph.add("Unsqueeze", [shared, graph.constant("axis", [1], np.int64)], "head_1_all")
    own = graph.add("Concat", ["horizons", "candidates", "candidate_present"], "own", axis=2)
    own_w = graph.constant("head_1_own_w", kernel[shared_rows:])
    own = graph.add("MatMul", [own, own_w], "head_1_own")
    return graph.add("Relu", [graph.add("Add", [shared, own], "head_1_sum")], "head_1_relu")


def _quantiles(graph: _Graph, model: keras.Model, each: str) -> str:
    scores = graph.add("Add", [_dense(graph, model, "choice", each), "absent"], "scores")
    weights = graph.add("Softmax", [scores], "weights", axis=2)
    chosen = graph.add("Mul", [weights, "candidates"], "chosen")
    chosen = graph.add(
        "ReduceSum", [chosen, graph.constant("last_axis", [2], np.int64)], "mixed", keepdims=1
    )
    median = graph.add("Add", [chosen, _dense(graph, model, "correction", each)], "median")
    gaps = graph.add("Softplus", [_dense(graph, model, "gaps", each)], "softplus")
    # Lower 0.025, 0.1, upper 0.9, 0.975: how far each lies from the median, as sums of gaps.
    reach = [[-1, 0, 0, 0, 0], [-1, -1, 0, 0, 0], [0, 0, 0, 1, 1], [0, 0, 0, 0, 1]]
    away = graph.add("MatMul", [gaps, graph.constant("reach", reach)], "away")
    return graph.add("Add", [median, away], "quantiles")

"""Writes fitted estimators as ONNX graphs, so that serving needs neither scikit-learn nor pickle.

Each graph takes `features` (float64, one row a server) and gives `targets` (float64). Features are
first kept within the range of the training set: beyond it a forest stays at its edge anyway, and a
kernel would forget everything but the mean.
"""

from __future__ import annotations

from typing import Any, Final, cast

import numpy as np
import onnx
from onnx import TensorProto, compose, helper, numpy_helper
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline

from energy.regressor.candidates import Levels, MeanOf, ShapeModel
from energy.regressor.features import Matrix

INPUT: Final = "features"
OUTPUT: Final = "targets"
#: Old enough for every supported onnxruntime, new enough for all operators used here.
OPSETS: Final = {"": 17, "ai.onnx.ml": 3}
IR_VERSION: Final = 9
#: Attributes of a converted forest that no result depends on; they are a third of its size.
_DEAD_WEIGHT: Final = frozenset({"nodes_hitrates", "nodes_missing_value_tracks_true"})


class _Graph:
    """Nodes and constants under construction, with names that cannot clash."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, value: Any, dtype: Any = np.float64) -> str:  # noqa: ANN401 - array-likes
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype=dtype), name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401 - ONNX's
        name = f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], name, **attributes))
        return name


def shape_graph(model: ShapeModel) -> onnx.ModelProto:
    """Features to the shape between idle and peak: (servers, 9)."""
    return _clipped_graph(model.estimator, model.low, model.high)


def levels_graph(levels: Levels) -> onnx.ModelProto:
    """Size features to (log peak per size, log idle over peak): (servers, 2)."""
    estimator = levels.fitted()
    return _clipped_graph(estimator, levels.low, levels.high)


def forest_graph(pipeline: Pipeline, low: Matrix, high: Matrix) -> onnx.ModelProto:
    """The paper's features to watts at a load: (rows, 1)."""
    return _clipped_graph(pipeline, low, high)


def _clipped_graph(estimator: Any, low: Matrix, high: Matrix) -> onnx.ModelProto:  # noqa: ANN401
    graph = _Graph()
    raised = graph.add("Max", INPUT, graph.constant(low))
    inside = graph.add("Min", raised, graph.constant(high))
    result = _add_estimator(graph, estimator, inside, len(low))
    graph.nodes.append(helper.make_node("Identity", [result], [OUTPUT]))
    proto = helper.make_graph(
        graph.nodes,
        "negawatt",
        [helper.make_tensor_value_info(INPUT, TensorProto.DOUBLE, [None, len(low)])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.DOUBLE, [None, None])],
        graph.constants,
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
    model = helper.make_model(proto, opset_imports=opsets, producer_name="negawatt")
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model)
    return model


def _add_estimator(graph: _Graph, estimator: Any, features: str, width: int) -> str:  # noqa: ANN401
    if isinstance(estimator, MeanOf):
        members = [_add_estimator(graph, each, features, width) for each in estimator.members]
        total = members[0]
        for member in members[1:]:  # onnxruntime has no Mean in double precision
            total = graph.add("Add", total, member)
        return graph.add("Mul", total, graph.constant(1 / len(members)))
    if isinstance(estimator, Pipeline) and isinstance(estimator[-1], GaussianProcessRegressor):
        return _add_process(graph, estimator, _scaled(graph, estimator, features))
    if isinstance(estimator, Pipeline) and isinstance(estimator[-1], MLPRegressor):
        return _add_net(graph, estimator[-1], _scaled(graph, estimator, features))
    if isinstance(estimator, Pipeline):
        scaled = _scaled(graph, estimator, features)
        return _add_converted(graph, estimator[-1], scaled, width)
    return _add_converted(graph, estimator, features, width)


def _scaled(graph: _Graph, pipeline: Pipeline, features: str) -> str:
    centred = graph.add("Sub", features, graph.constant(pipeline[0].mean_))
    return graph.add("Div", centred, graph.constant(pipeline[0].scale_))


def _add_net(graph: _Graph, net: MLPRegressor, scaled: str) -> str:
    """Layers with rectifiers between them (skl2onnx reshapes several outputs into one)."""
    layers = list(zip(net.coefs_, net.intercepts_, strict=True))
    for place, (weights, offsets) in enumerate(layers):
        product = graph.add("MatMul", scaled, graph.constant(weights))
        scaled = graph.add("Add", product, graph.constant(offsets))
        if place < len(layers) - 1:
            scaled = graph.add("Relu", scaled)
    return scaled


def _add_process(graph: _Graph, pipeline: Pipeline, scaled: str) -> str:
    """Mean of a Gaussian process with kernel exp(-distance / length), in double precision.

    The squared distance is expanded to |a|² + |b|² - 2ab, so that it is one matrix product.
    """
    process = pipeline[-1]
    seen = np.asarray(process.X_train_)
    axis = graph.constant([1], np.int64)
    own = graph.add("ReduceSum", graph.add("Mul", scaled, scaled), axis, keepdims=1)
    seen_square = graph.constant((seen**2).sum(axis=1)[None, :])
    product = graph.add("MatMul", scaled, graph.constant(-2 * seen.T))
    square = graph.add("Add", graph.add("Add", own, seen_square), product)
    distance = graph.add("Sqrt", graph.add("Max", square, graph.constant(0.0)))
    length = process.kernel_.length_scale
    kernel = graph.add("Exp", graph.add("Mul", distance, graph.constant(-1 / length)))
    # normalize_y: the process works on targets less their mean, over their deviation.
    weights = np.asarray(process.alpha_) * process._y_train_std  # noqa: SLF001 - no public name
    return graph.add(
        "Add",
        graph.add("MatMul", kernel, graph.constant(weights)),
        graph.constant(process._y_train_mean),  # noqa: SLF001 - no public name
    )


def _add_converted(graph: _Graph, estimator: Any, features: str, width: int) -> str:  # noqa: ANN401
    """Splice in what skl2onnx makes of an estimator (trees, nets, support vectors, boosting)."""
    if isinstance(estimator, MultiOutputRegressor):
        columns = [_add_converted(graph, each, features, width) for each in estimator.estimators_]
        return graph.add("Concat", *columns, axis=1)
    model = _converted(estimator, width)
    prefix = f"part_{len(graph.nodes)}_"
    part = compose.add_prefix(model, prefix).graph
    for node in part.node:
        kept = [each for each in node.attribute if each.name not in _DEAD_WEIGHT]
        del node.attribute[:]
        node.attribute.extend(kept)
    narrowed = helper.make_node("Cast", [features], [part.input[0].name], to=TensorProto.FLOAT)
    graph.nodes.extend([narrowed, *part.node])
    graph.constants.extend(part.initializer)
    return graph.add("Cast", part.output[0].name, to=TensorProto.DOUBLE)


def _converted(estimator: Any, width: int) -> onnx.ModelProto:  # noqa: ANN401 - untyped library
    if type(estimator).__module__.partition(".")[0] == "lightgbm":
        # Only here, as LightGBM needs a system library that no other candidate needs.
        from onnxmltools.convert import convert_lightgbm
        from onnxmltools.convert.common.data_types import FloatTensorType as LightGbmTensor

        kind = [(INPUT, LightGbmTensor([None, width]))]
        return cast("onnx.ModelProto", convert_lightgbm(estimator, None, kind, target_opset=15))
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    kind = [(INPUT, FloatTensorType([None, width]))]
    model = convert_sklearn(estimator, initial_types=kind, target_opset=OPSETS)
    return cast("onnx.ModelProto", model)

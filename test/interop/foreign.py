"""The ONNX files that come with the environment's packages. Question: null; answer: a description of each file. Question: pairs of files; answer: whether the files of each pair hold the same model."""

import json
import pathlib
import sys

import onnx
from onnx.numpy_helper import to_array


def graphs(graph):
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in [attribute.g, *attribute.graphs] if attribute.type in (5, 10) else []:
                yield from graphs(inner)


def constants(graph):
    """Stored tensors: initializers, and the values of Constant nodes."""
    yield from graph.initializer
    for node in graph.node:
        if node.op_type == "Constant" and not node.domain:
            yield from (attribute.t for attribute in node.attribute if attribute.name == "value")


def describe(path):
    model = onnx.load(path, load_external_data=False)
    inside = list(graphs(model.graph))
    ops = {}
    for graph in inside:
        for node in graph.node:
            name = f"{node.domain}::{node.op_type}" if node.domain else node.op_type
            ops[name] = ops.get(name, 0) + 1
    tensors = [tensor for graph in inside for tensor in constants(graph)]
    return {
        "path": str(path),
        "irVersion": model.ir_version,
        "opsets": {entry.domain or "ai.onnx": entry.version for entry in model.opset_import},
        "ops": ops,
        "functions": sorted(f"{f.domain}::{f.name}" if f.domain else f.name for f in model.functions),
        "constants": len(tensors),
        "bytes": sum(to_array(tensor).nbytes for tensor in tensors if tensor.data_type != onnx.TensorProto.STRING),
    }


def same(original, copy):
    return onnx.load(original, load_external_data=False) == onnx.load(copy, load_external_data=False)


question = json.load(open(sys.argv[1]))
packages = pathlib.Path(onnx.__file__).parent.parent
answer = [same(*pair) for pair in question] if question else [describe(path) for path in sorted(packages.rglob("*.onnx"))]
json.dump(answer, open(sys.argv[2], "w"))

"""Real networks with one-bit weights. Question: {"make": {original: copy}}, or {"compare": [[one, other], ...]}.

make: writes each file with the weights of its layers replaced by sign(w) * mean(abs(w)) for each output channel; answers the number of
layers of each. compare: runs the files of each pair on the same random inputs; answers the largest error, relative to the largest output.
"""

import json
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

# operator -> the inputs that are weights, and the axis of output channels from the end of the shape or its beginning
LAYERS = {"Conv": {1: 0}, "ConvTranspose": {1: 1}, "MatMul": {1: -1}, "Gemm": {1: 0}, "LSTM": {1: 1, 2: 1}}
SMALLEST = 1024


def graphs(graph):
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in [attribute.g, *attribute.graphs] if attribute.type in (5, 10) else []:
                yield from graphs(inner)


def binarize(path, copy):
    model = onnx.load(path)
    stored = {}
    for graph in graphs(model.graph):
        stored.update({tensor.name: tensor for tensor in graph.initializer})
        stored.update({node.output[0]: node.attribute[0].t for node in graph.node if node.op_type == "Constant" and node.attribute[0].t.dims})
    done = set()
    for graph in graphs(model.graph):
        for node in graph.node:
            for index, axis in LAYERS.get(node.op_type, {}).items():
                tensor = stored.get(node.input[index])
                if tensor is None or tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < SMALLEST:
                    continue
                if node.input[index] not in done:
                    weights = numpy_helper.to_array(tensor)
                    others = tuple(i for i in range(weights.ndim) if i != axis % weights.ndim)
                    scale = np.abs(weights).mean(axis=others, keepdims=True)
                    tensor.CopyFrom(numpy_helper.from_array(np.where(weights >= 0, scale, -scale).astype(np.float32), tensor.name))
                done.add(node.input[index])
    onnx.save(model, copy)
    return len(done)


SIZES = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(int32)": np.int32}
# of silero-vad's sample rate, of magika's bytes, and of images and sound
FREE = 64


def feeds(session, generator):
    values = {}
    for value in session.get_inputs():
        shape = [size if isinstance(size, int) else (1 if axis == 0 else FREE) for axis, size in enumerate(value.shape)]
        if value.name == "sr":
            values[value.name] = np.array(16000, np.int64)
        elif value.name == "input" and len(shape) == 2:
            values[value.name] = generator.standard_normal((1, 576), np.float32)
        elif value.name == "state":
            values[value.name] = generator.standard_normal((2, 1, 128), np.float32)
        elif value.type == "tensor(float)":
            values[value.name] = generator.standard_normal(shape, np.float32)
        else:
            values[value.name] = generator.integers(0, 200, shape).astype(SIZES[value.type])
    return values


def compare(one, other):
    sessions = [onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]) for path in (one, other)]
    given = feeds(sessions[0], np.random.default_rng(0))
    largest = 0.0
    for expected, got in zip(*(session.run(None, given) for session in sessions), strict=True):
        assert expected.shape == got.shape and np.isfinite(expected).all() and np.abs(expected).max() > 0
        largest = max(largest, float(np.abs(expected - got).max() / np.abs(expected).max()))
    return largest


onnxruntime.set_default_logger_severity(3)
question = json.load(open(sys.argv[1]))
make, pairs = question.get("make", {}), question.get("compare", [])
answer = [compare(*pair) for pair in pairs] if pairs else [binarize(path, copy) for path, copy in make.items()]
json.dump(answer, open(sys.argv[2], "w"))

"""A reader of the packed form, written from docs/format.md alone. Question: a file; answer: {layer: {shape, scale, signs}}, the signs as the SHA-256 of one int8 each."""

import hashlib
import json
import sys

import numpy as np
import onnx
from onnx.numpy_helper import to_array

model = onnx.load(json.load(open(sys.argv[1])))
metadata = {entry.key: entry.value for entry in model.metadata_props}


def entry(bits, shape, scale):
    signs = [1 if bits[k // 8] & (128 >> (k % 8)) else -1 for k in range(int(np.prod(shape)))]
    digest = hashlib.sha256(np.array(signs, np.int8).tobytes()).hexdigest()
    return {"shape": list(shape), "scale": [float(s) for s in np.ravel(scale)], "signs": digest}


def version1():
    stored = {tensor.name: to_array(tensor) for tensor in model.graph.initializer}
    reader_of = {name: node for node in model.graph.node for name in node.input}
    for node in model.graph.node:
        if (node.domain, node.op_type) != ("wrn.onebit", "UnpackSign"):
            continue
        bits, shape = (stored[name] for name in node.input)
        scale_node = reader_of[node.output[0]]
        assert (scale_node.domain, scale_node.op_type) == ("wrn.onebit", "Scale")
        layer = reader_of[scale_node.output[0]].output[0]
        yield layer, entry(bits, shape.tolist(), stored[scale_node.input[1]])


def version2():
    for node in model.graph.node:
        if node.domain != "wrn":
            continue
        name = node.output[0]
        given = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        if node.op_type == "SignConv":
            yield name, entry(to_array(given["bits"]).ravel(), given["shape"], given["scale"])
        for i in (0, 1):
            if f"conv{i}" in given:
                bits = to_array(given[f"conv{i}"])
                shape = [bits.shape[0], len(given[f"norm{i}"]) // 2, 3, 3]
                yield f"{name}.conv{i}", entry(bits.ravel(), shape, given.get("scale", given.get(f"scale{i}")))


kernels = dict({"1": version1, "2": version2}[metadata["wrn.format_version"]]())
json.dump(kernels, open(sys.argv[2], "w"))

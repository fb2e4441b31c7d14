"""A reader of the packed form, written from docs/format.md alone. Question: a file; answer: {layer: {shape, scale, signs}}, the signs as the SHA-256 of one int8 each."""

import hashlib
import json
import sys

import numpy as np
import onnx
from onnx.numpy_helper import to_array

model = onnx.load(json.load(open(sys.argv[1])))
metadata = {entry.key: entry.value for entry in model.metadata_props}
assert metadata["wrn.format_version"] == "1"
stored = {tensor.name: to_array(tensor) for tensor in model.graph.initializer}
reader_of = {name: node for node in model.graph.node for name in node.input}

kernels = {}
for node in model.graph.node:
    if (node.domain, node.op_type) != ("wrn.onebit", "UnpackSign"):
        continue
    bits, shape = (stored[name] for name in node.input)
    count = int(np.prod(shape))
    signs = [1 if bits[k // 8] & (128 >> (k % 8)) else -1 for k in range(count)]
    scale_node = reader_of[node.output[0]]
    assert (scale_node.domain, scale_node.op_type) == ("wrn.onebit", "Scale")
    layer = reader_of[scale_node.output[0]].output[0]
    kernels[layer] = {
        "shape": shape.tolist(),
        "scale": stored[scale_node.input[1]].ravel().tolist(),
        "signs": hashlib.sha256(np.array(signs, np.int8).tobytes()).hexdigest(),
    }
json.dump(kernels, open(sys.argv[2], "w"))

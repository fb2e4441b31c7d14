"""onnx's own checker, full check, and strict shape inference. Question: files; answer: for each its output shapes or the error."""

import json
import sys

import onnx


def check(path):
    try:
        onnx.checker.check_model(path, full_check=True)
        model = onnx.shape_inference.infer_shapes(onnx.load(path), strict_mode=True, data_prop=True)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:500]}
    inferred = {
        value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in [*model.graph.value_info, *model.graph.output]
    }
    return {"shapes": inferred}


json.dump([check(path) for path in json.load(open(sys.argv[1]))], open(sys.argv[2], "w"))

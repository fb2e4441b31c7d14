"""Runs ONNX files in other runtimes. Question: jobs {file, images, shape, runtimes}; answer: {runtime: {logits} or {error}} for each."""

import json
import sys

import numpy as np


def onnxruntime(path, images):
    import onnxruntime as ort

    return ort.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, {"images": images})[0]


def reference_evaluator(path, images):
    from onnx.reference import ReferenceEvaluator

    return ReferenceEvaluator(path).run(None, {"images": images})[0]


def openvino(path, images):
    import openvino as ov

    # CPUs with bfloat16 would use it by default.
    model = ov.compile_model(ov.Core().read_model(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return model([images])[0]


def opencv(path, images):
    import cv2

    network = cv2.dnn.readNetFromONNX(path)
    network.setInput(images)
    return network.forward()


def tract(path, images):
    import tract

    model = tract.onnx().load(path)
    shape = ",".join(map(str, images.shape))
    model.set_input_fact(0, f"{shape},{'f32' if images.dtype == np.float32 else 'u8'}")
    model.analyse()
    return model.into_model().into_runnable().run([images])[0].to_numpy()


def qonnx(path, images):
    """As read, with the shapes inferred that its executor needs."""
    import qonnx.core.onnx_exec as executor
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.change_batchsize import ChangeBatchSize
    from qonnx.transformation.infer_shapes import InferShapes

    model = ModelWrapper(path).transform(ChangeBatchSize(images.shape[0])).transform(InferShapes())
    return run_qonnx(executor, model, images)


def qonnx_cleanup(path, images):
    """After qonnx's clean-up, which FPGA flows run first; every quantized weight must come out as BIPOLAR."""
    import qonnx.core.onnx_exec as executor
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.transformation.infer_datatypes import InferDataTypes
    from qonnx.util.cleanup import cleanup_model

    model = cleanup_model(ModelWrapper(path), override_inpsize=images.shape).transform(InferDataTypes())
    quantizers = model.get_nodes_by_op_type("BipolarQuant")
    assert quantizers, "expected BipolarQuant nodes, got none"
    for node in quantizers:
        datatype = str(model.get_tensor_datatype(node.output[0]))
        assert datatype == "BIPOLAR", f"{node.output[0]}: expected BIPOLAR, got {datatype}"
    return run_qonnx(executor, model, images)


def run_qonnx(executor, model, images):
    [image], [logits] = model.graph.input, model.graph.output
    return executor.execute_onnx(model, {image.name: images})[logits.name]


def attempt(runtime, job):
    images = np.array(job["images"], dtype=job["type"]).reshape(job["shape"])
    try:
        return {"logits": np.asarray(globals()[runtime](job["file"], images), dtype=np.float64).ravel().tolist()}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:500]}


jobs = json.load(open(sys.argv[1]))
answers = [{runtime: attempt(runtime, job) for runtime in job["runtimes"]} for job in jobs]
json.dump(answers, open(sys.argv[2], "w"))

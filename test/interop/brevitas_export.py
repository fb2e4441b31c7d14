"""Networks of one-bit weights as PyTorch's users export them. Usage: brevitas_export.py FOLDER NAME; writes FOLDER/NAME.onnx."""
import sys
import torch
from torch import nn

torch.manual_seed(0)
folder, name = sys.argv[1:]


def brevitas_network(bits_of_activations):
    import brevitas.nn as qnn
    from brevitas.quant import SignedBinaryActPerTensorConst, SignedBinaryWeightPerTensorConst

    weights = {"weight_quant": SignedBinaryWeightPerTensorConst}
    return nn.Sequential(
        qnn.QuantConv2d(3, 32, 3, bias=False, **weights),
        nn.BatchNorm2d(32),
        qnn.QuantIdentity(act_quant=SignedBinaryActPerTensorConst) if bits_of_activations == 1 else nn.ReLU(),
        qnn.QuantConv2d(32, 32, 3, groups=4, bias=True, **weights),
        nn.Flatten(),
        qnn.QuantLinear(512, 10, bias=True, **weights),
    )


model = brevitas_network(1 if name == "activations" else 32).eval()
from brevitas.export import export_qonnx

export_qonnx(model, torch.randn(2, 3, 8, 8), f"{folder}/{name}.onnx")

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


def zoo_network():
    """A topology of the QONNX model zoo, which brevitas ships without weights."""
    from brevitas_examples.bnn_pynq.models import model_with_cfg

    network, _ = model_with_cfg(name, pretrained=False)
    for layer in network.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            layer.running_mean.normal_(0, 5)
            layer.running_var.uniform_(20, 90)
    return network


shapes = {"TFC": (1, 1, 28, 28), "CNV": (1, 3, 32, 32)}
shape = shapes.get(name[:3], (2, 3, 8, 8))
model = zoo_network() if name[:3] in shapes else brevitas_network(1 if name == "activations" else 32)
from brevitas.export import export_qonnx

export_qonnx(model.eval(), torch.randn(*shape), f"{folder}/{name}.onnx")

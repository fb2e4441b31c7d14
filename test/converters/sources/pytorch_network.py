"""Writes checkpoints of the network of binary-wide-resnet with random weights and moments, images, and its logits.

python pytorch_network.py FOLDER DEPTH WIDTH CLASSES (any PyTorch; 0.4 to 2.x lay checkpoints out in the same two ways)

The network is written here from its description: first and last convolution and last batch norm float32 and affine,
inner kernels binary, 3x3 average pools that count padding, images normalised by constants.
"""

import collections
import math
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

IMAGES = 3
MEAN, STD = (125.3, 123.0, 113.9), (63.0, 62.1, 66.7)


def random_state(depth, width, classes):
    """Parameters and moments by name, of the size that training gives."""
    state = collections.OrderedDict()

    def kernel(name, outputs, inputs, size):
        state[name] = torch.randn(outputs, inputs, size, size) * math.sqrt(2 / (inputs * size * size))

    def norm(name, channels, affine=False):
        if affine:
            state[f"{name}.weight"] = 1 + 0.3 * torch.randn(channels)
            state[f"{name}.bias"] = torch.randn(channels)
        state[f"{name}.running_mean"] = 0.5 * torch.randn(channels)
        state[f"{name}.running_var"] = 0.5 + torch.rand(channels)
        state[f"{name}.num_batches_tracked"] = torch.tensor(1000)

    channels = int(16 * width)
    kernel("conv0", channels, 3, 3)
    for group in range(3):
        outputs = int(16 * width) * 2**group
        for block in range((depth - 2) // 6):
            norm(f"group{group}.block{block}.bn0", channels)
            kernel(f"group{group}.block{block}.conv0", outputs, channels, 3)
            norm(f"group{group}.block{block}.bn1", outputs)
            kernel(f"group{group}.block{block}.conv1", outputs, outputs, 3)
            channels = outputs
    norm("bn", channels)
    kernel("conv_last", classes, channels, 1)
    norm("bn_last", classes, affine=True)
    return state


def logits(state, images, binary):
    def conv(x, name, stride=1):
        weights = state[name]
        if binary and "block" in name:
            scale = math.sqrt(2 / (weights.shape[1] * weights.shape[2] * weights.shape[3]))
            weights = scale * weights.sign()
        return F.conv2d(x, weights, stride=stride, padding=weights.shape[-1] // 2)

    def norm(x, name):
        affine = [state.get(f"{name}.{field}") for field in ("weight", "bias")]
        return F.batch_norm(x, state[f"{name}.running_mean"], state[f"{name}.running_var"], *affine)

    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, STD))
    x = conv((images.float() - mean) / std, "conv0")
    for group in range(3):
        for block in range(sum(f"group{group}.block" in key and key.endswith(".conv0") for key in state)):
            name = f"group{group}.block{block}"
            halves = group > 0 and block == 0
            y = conv(F.relu(norm(x, f"{name}.bn0")), f"{name}.conv0", 2 if halves else 1)
            y = conv(F.relu(norm(y, f"{name}.bn1")), f"{name}.conv1")
            if halves:
                x = F.avg_pool2d(x, 3, stride=2, padding=1)
                x = torch.cat([x, torch.zeros_like(x)], 1)
            x = x + y
    return norm(conv(F.relu(norm(x, "bn")), "conv_last"), "bn_last").mean((2, 3))


def packed(name, values):
    if "conv" not in name or "block" not in name:
        return values
    return torch.from_numpy(np.packbits((values > 0).numpy(), axis=1))


def main(folder, depth, width, classes):
    torch.manual_seed(1)
    state = random_state(depth, width, classes)
    images = torch.randint(0, 256, (IMAGES, 3, 32, 32), dtype=torch.uint8)
    images.numpy().tofile(folder / "images.u8")
    logits(state, images, binary=True).numpy().tofile(folder / "binary.f32")
    logits(state, images, binary=False).numpy().tofile(folder / "float.f32")

    parallel = collections.OrderedDict((f"module.{name}", values) for name, values in state.items())
    parallel._metadata = collections.OrderedDict([("", {"version": 1})])  # as state_dict() leaves it
    parameters = [torch.nn.Parameter(values.clone()) for name, values in state.items() if "conv" in name]
    optimizer = torch.optim.SGD(parameters, 0.1, momentum=0.9)
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    training = {"state_dict": parallel, "optimizer": optimizer.state_dict(), "scheduler": {"last_epoch": 3, "base_lrs": [0.1]}, "epoch": 3}
    checkpoints = {
        "packed": collections.OrderedDict((name, packed(name, values)) for name, values in parallel.items()),
        "latent": training,
        "bare": state,
    }
    for name, checkpoint in checkpoints.items():
        for layout in "zip", "legacy":
            torch.save(checkpoint, folder / f"{name}-{layout}.pth", _use_new_zipfile_serialization=layout == "zip")


with torch.no_grad():
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]))

"""Runs model files in PyTorch: FOLDER holds NAME.safetensors and NAME.u8 (raw images), NAME.f32 (logits) is written beside them.

Written from the paper (arXiv 1802.08530, section 3), He et al. 2015 for ImageNet, and docs/format.md: it shares no line
with the interpreter that it checks.
"""

import json
import struct
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F


def read(path):
    """Configuration and tensors of a model file; kernels of bits as +-1 times their scale."""
    file = path.read_bytes()
    (length,) = struct.unpack("<Q", file[:8])
    header = json.loads(file[8 : 8 + length])
    metadata = header.pop("__metadata__")
    stored = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        dtype = {"F32": "<f4", "U8": "u1"}[entry["dtype"]]
        stored[name] = np.frombuffer(file[8 + length + begin : 8 + length + end], dtype).reshape(entry["shape"])
    return json.loads(metadata["wrn.config"]), stored


class Network:
    def __init__(self, config, stored):
        self.config = config
        self.stored = stored

    def kernel(self, name, outputs, inputs, size):
        values = self.stored[f"{name}.kernel"]
        if values.dtype == np.uint8:
            values = np.unpackbits(values)[: outputs * inputs * size * size].astype("f8") * 2 - 1
            values = values.reshape(outputs, inputs, size, size) * self.stored[f"{name}.scale"]
        assert values.shape == (outputs, inputs, size, size)
        return torch.from_numpy(values.astype("f8"))

    def conv(self, name, x, outputs, size, stride=1, pads=None):
        top, left, bottom, right = pads or [size // 2] * 4
        return F.conv2d(F.pad(x, (left, right, top, bottom)), self.kernel(name, outputs, x.shape[1], size), stride=stride)

    def norm(self, name, x):
        mean, variance, gamma, beta = (
            None if f"{name}.{field}" not in self.stored else torch.from_numpy(self.stored[f"{name}.{field}"].astype("f8"))
            for field in ("mean", "variance", "gamma", "beta")
        )
        return F.batch_norm(x, mean, variance, gamma, beta, eps=self.config["epsilon"])

    def activate(self, norm, x):
        if self.config["activation"] == "shifted-relu":
            return torch.clamp(x, min=-1)
        return F.relu(self.norm(norm, x))

    def downsampled(self, x):
        """Average pool of the shortcut: its divisor counts the pixels of the image, or all nine."""
        top, left, bottom, right = self.config["downsample"]["poolPads"]
        total = F.avg_pool2d(F.pad(x, (left, right, top, bottom)), 3, stride=2, divisor_override=1)
        ones = F.avg_pool2d(F.pad(torch.ones_like(x), (left, right, top, bottom)), 3, stride=2, divisor_override=1)
        x = total / (9 if self.config["downsample"]["poolCountsPads"] else ones)
        return torch.cat([x, torch.zeros_like(x)], 1)

    def __call__(self, x):
        config = self.config
        imagenet = config["stem"] == "imagenet"
        if config["inputNorm"] == "batch-norm":
            x = self.norm("input.norm", x)
        else:
            mean, std = (torch.tensor(config["inputNorm"][key], dtype=x.dtype).view(1, -1, 1, 1) for key in ("mean", "std"))
            x = (x - mean) / std
        if config["inputRelu"]:
            x = F.relu(x)
        base = round((64 if imagenet else 16) * config["width"])
        x = self.conv("stem.conv", x, base, 7, 2) if imagenet else self.conv("stem.conv", x, base, 3)
        if imagenet:
            x = F.max_pool2d(x, 3, stride=2, padding=1)
        for group in range(4 if imagenet else 3):
            for block in range((config["depth"] - 2) // (8 if imagenet else 6)):
                name = f"group{group}.block{block}"
                halves = group > 0 and block == 0
                pads = config["downsample"]["convPads"] if halves else None
                y = self.activate(f"{name}.norm0", x)
                y = self.conv(f"{name}.conv0", y, base * 2**group, 3, 2 if halves else 1, pads)
                y = self.conv(f"{name}.conv1", self.activate(f"{name}.norm1", y), base * 2**group, 3)
                if config["residual"]:
                    y = y + (self.downsampled(x) if halves else x)
                x = y
        x = self.conv("head.conv", self.activate("head.norm", x), config["classes"], 1)
        if config["activation"] == "norm-relu":
            x = self.norm("head.norm1", x)
        return x.mean((2, 3)) / config["logitsDivisor"]


folder = Path(sys.argv[1])
for path in folder.glob("*.safetensors"):
    config, stored = read(path)
    size = config["input"]
    pixels = np.fromfile(path.with_suffix(".u8"), np.uint8).reshape(-1, size["channels"], size["height"], size["width"])
    logits = Network(config, stored)(torch.from_numpy(pixels.astype("f8")))
    logits.numpy().astype("<f4").tofile(path.with_suffix(".f32"))

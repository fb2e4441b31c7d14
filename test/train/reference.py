"""The same training in PyTorch, written for the comparison: reads a job, writes losses and final weights.

usage: reference.py JOB.json
The job names raw little-endian float32 / int32 files: images [steps, batch, channels, height, width], labels [steps, batch],
weights (convolution kernels OIHW in order of execution), and the files to write.
"""

import json
import math
import sys

import numpy as np
import torch
import torch.nn.functional as F

torch.set_num_threads(2)
job = json.load(open(sys.argv[1]))
steps, batch, channels, height, width = job["images_shape"]
images = np.fromfile(job["images"], "<f4").reshape(steps, batch, channels, height, width)
labels = np.fromfile(job["labels"], "<i4").reshape(steps, batch)
flat = torch.from_numpy(np.fromfile(job["weights"], "<f4"))


class Binarize(torch.autograd.Function):
    """s * sign(w) with sign(0) = +1; the gradient passes straight through sign and scale."""

    @staticmethod
    def forward(ctx, w, s):
        return torch.where(w >= 0, s, -s)

    @staticmethod
    def backward(ctx, grad):
        return grad, None


def scaled(w):
    if job["bits"] == 32:
        return w
    if job["scale"] == "he":
        gain = math.sqrt(2) if job["residual"] else 2
        s = torch.tensor(gain / math.sqrt(w.shape[1] * w.shape[2] * w.shape[3]))
    elif job["scale"] == "mean-layer":
        s = w.detach().abs().mean()
    else:
        s = w.detach().abs().mean(dim=(1, 2, 3), keepdim=True)
    return Binarize.apply(w, s)


def norm(x):
    return F.batch_norm(x, None, None, training=True, eps=1e-5)


def act(x):
    return torch.clamp(x, min=-1) if job["shifted_relu"] else F.relu(norm(x))


def network(x, kernels):
    kernels = iter(kernels)
    x = norm(x)
    if job["input_relu"]:
        x = F.relu(x)
    x = F.conv2d(x, scaled(next(kernels)), padding=1)
    for group in range(3):
        for block in range(job["blocks"]):
            down = group > 0 and block == 0
            y = act(x)
            y = F.conv2d(F.pad(y, (0, 1, 0, 1)), scaled(next(kernels)), stride=2) if down else F.conv2d(y, scaled(next(kernels)), padding=1)
            y = F.conv2d(act(y), scaled(next(kernels)), padding=1)
            if not job["residual"]:
                x = y
                continue
            if down:
                # 3x3 average, stride 2, one pixel of padding at the end that the divisor does not count
                ones = torch.ones(1, 1, *x.shape[2:])
                x = F.avg_pool2d(F.pad(x, (0, 1, 0, 1)), 3, 2) / F.avg_pool2d(F.pad(ones, (0, 1, 0, 1)), 3, 2)
                x = torch.cat([x, torch.zeros_like(x)], 1)
            x = x + y
    x = F.conv2d(act(x), scaled(next(kernels)))
    if not job["shifted_relu"]:
        x = norm(x)
    return x.mean(dim=(2, 3)) / job["logits_divisor"]


kernels, offset = [], 0
for shape in job["kernel_shapes"]:
    count = math.prod(shape)
    kernels.append(flat[offset : offset + count].reshape(shape).clone().requires_grad_())
    offset += count

optimizer = torch.optim.SGD(kernels, lr=job["rate"], momentum=0.9, weight_decay=5e-4)
losses = []
for step in range(steps):
    loss = F.cross_entropy(network(torch.from_numpy(images[step]), kernels), torch.from_numpy(labels[step]).long())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
torch.cat([k.detach().reshape(-1) for k in kernels]).numpy().astype("<f4").tofile(job["final_weights"])
json.dump(losses, open(job["losses"], "w"))

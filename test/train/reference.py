"""The same training in PyTorch, written for the comparison: reads a job, writes losses and final weights.

usage: reference.py JOB.json
The job names raw little-endian float32 / int32 files: images [steps, batch, channels, height, width], labels [steps, batch],
weights (in order of execution: convolution kernels OIHW, and gamma and beta of each batch norm that learns them), a teacher's
logits [steps, batch, classes] if there is one, and the files to write.
"""

import json
import math
import sys

import numpy as np
import torch
import torch.nn.functional as F


class Binarize(torch.autograd.Function):
    """s * sign(w) with sign(0) = +1; the gradient passes straight through sign and scale."""

    @staticmethod
    def forward(ctx, w, s):
        return torch.where(w >= 0, s, -s)

    @staticmethod
    def backward(ctx, grad):
        return grad, None


def scaled(job, w):
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


def network(job, x, weights):
    """Logits [batch, classes] of images [batch, channels, height, width]."""
    weights = iter(weights)

    def norm(x):
        gamma, beta = (next(weights), next(weights)) if job["learned_norm"] else (None, None)
        return F.batch_norm(x, None, None, gamma, beta, training=True, eps=1e-5)

    def act(x):
        return torch.clamp(x, min=-1) if job["shifted_relu"] else F.relu(norm(x))

    def kernel():
        return scaled(job, next(weights))

    x = norm(x)
    if job["input_relu"]:
        x = F.relu(x)
    x = F.conv2d(x, kernel(), padding=1)
    for group in range(3):
        for block in range(job["blocks"]):
            down = group > 0 and block == 0
            y = act(x)
            y = F.conv2d(F.pad(y, (0, 1, 0, 1)), kernel(), stride=2) if down else F.conv2d(y, kernel(), padding=1)
            y = F.conv2d(act(y), kernel(), padding=1)
            if not job["residual"]:
                x = y
                continue
            if down:
                # 3x3 average, stride 2: the windows at the end reach one pixel out, which is not counted
                x = F.avg_pool2d(x, 3, 2, ceil_mode=True, count_include_pad=False)
                x = torch.cat([x, torch.zeros_like(x)], 1)
            x = x + y
    x = F.conv2d(act(x), kernel())
    if not job["shifted_relu"]:
        x = norm(x)
    return x.mean(dim=(2, 3)) / job["logits_divisor"]


def read_weights(job):
    flat = torch.from_numpy(np.fromfile(job["weights"], "<f4"))
    shapes = job["weight_shapes"]
    return [part.reshape(shape).clone() for part, shape in zip(flat.split([math.prod(shape) for shape in shapes]), shapes)]


def sgd(job, weights):
    """Weight decay acts on kernels, not on gamma and beta."""
    kernels = [w for w in weights if w.dim() == 4]
    others = [w for w in weights if w.dim() == 1]
    groups = [{"params": kernels, "weight_decay": 5e-4}, {"params": others, "weight_decay": 0}]
    return torch.optim.SGD(groups, lr=job["rate"], momentum=0.9)


def train(job):
    torch.set_num_threads(2)
    images = torch.from_numpy(np.fromfile(job["images"], "<f4").reshape(job["images_shape"]))
    labels = torch.from_numpy(np.fromfile(job["labels"], "<i4").reshape(job["images_shape"][:2])).long()
    weights = [w.requires_grad_() for w in read_weights(job)]
    optimizer = sgd(job, weights)
    losses = []
    teacher_losses = []
    answers = [None] * len(images)
    if "teacher" in job:
        answers = torch.from_numpy(np.fromfile(job["teacher"], "<f4").reshape(*job["images_shape"][:2], -1))
    for x, y, answer in zip(images, labels, answers):
        logits = network(job, x, weights)
        loss = F.cross_entropy(logits, y)
        losses.append(loss.item())
        if answer is not None:
            t, a = job["temperature"], job["teacher_weight"]
            divergence = F.kl_div(F.log_softmax(logits / t, 1), F.softmax(answer / t, 1), reduction="batchmean")
            teacher_losses.append(divergence.item())
            loss = (1 - a) * loss + a * t * t * divergence
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.cat([w.detach().reshape(-1) for w in weights]).numpy().astype("<f4").tofile(job["final_weights"])
    json.dump({"labels": losses, "teacher": teacher_losses}, open(job["losses"], "w"))


if __name__ == "__main__":
    train(json.load(open(sys.argv[1])))

"""Trains WRN-20-WIDTH on CIFAR-10 in PyTorch by the recipe of the preset cifar10, for comparison: network and optimizer are those of
the test's reference, written without this project's code.

usage: train_torch.py FOLDER WIDTH BITS EPOCHS     FOLDER: cifar-10-batches-bin; prints the test error at each cycle's end
"""

import math
import os
import platform
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "test", "train"))
from reference import network, sgd  # noqa: E402

BATCH, PAD, HIGH, LOW, SEED = 125, 4, 0.1, 1e-4, 1
MOMENT_BATCHES = 80
CYCLE_ENDS = [2, 6, 14, 30, 62]

folder, width, bits, epochs = sys.argv[1], float(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(2)
torch.manual_seed(SEED)
random = np.random.default_rng(SEED)
job = dict(bits=bits, scale="he", residual=True, learned_norm=False, shifted_relu=False, input_relu=False, blocks=3, logits_divisor=1, rate=HIGH)


def read(*names):
    rows = np.concatenate([np.fromfile(os.path.join(folder, name), np.uint8).reshape(-1, 3073) for name in names])
    return rows[:, 1:].reshape(-1, 3, 32, 32), torch.from_numpy(rows[:, 0].astype(np.int64))


def kernels():
    planes = [round(16 * width * 2**group) for group in range(3)]
    shapes = [(planes[0], 3, 3, 3)]
    for group, out in enumerate(planes):
        for conv in range(6):
            shapes.append((out, planes[max(group - 1, 0)] if conv == 0 else out, 3, 3))
    shapes.append((10, planes[2], 1, 1))
    return [(torch.randn(s) * math.sqrt(2 / (s[1] * s[2] * s[3]))).requires_grad_() for s in shapes]


def augmented(images):
    """Random pixels around each image, a random crop, and half of the images mirrored."""
    size = 32 + 2 * PAD
    padded = random.integers(0, 256, (len(images), 3, size, size), dtype=np.uint8)
    padded[:, :, PAD:-PAD, PAD:-PAD] = np.where(random.random((len(images), 1, 1, 1)) < 0.5, images, images[..., ::-1])
    at = random.integers(0, 2 * PAD + 1, (len(images), 2))
    cropped = np.stack([image[:, y : y + 32, x : x + 32] for image, (y, x) in zip(padded, at)])
    return torch.from_numpy(cropped.astype(np.float32)).contiguous(memory_format=torch.channels_last)


class Moments:
    """Stands for F.batch_norm: keeps the moments of each batch norm over batches, then uses their means."""

    def __init__(self):
        self.sums, self.batches, self.fixed, self.norm = [], 0, False, F.batch_norm

    def __call__(self, x, _mean, _var, gamma, beta, training, eps):
        if self.fixed:
            mean, var = (total / self.batches for total in self.sums[self.call])
        else:
            mean, var = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), unbiased=False)
            if self.call == len(self.sums):
                self.sums.append([0, 0])
            self.sums[self.call] = [self.sums[self.call][0] + mean, self.sums[self.call][1] + var]
        self.call += 1
        return self.norm(x, mean, var, gamma, beta, training=False, eps=eps)

    def run(self, x, weights):
        self.call, F.batch_norm = 0, self
        try:
            with torch.no_grad():
                return network(job, x, weights)
        finally:
            F.batch_norm = self.norm
            self.batches += not self.fixed


def test_error(weights):
    moments = Moments()
    for _ in range(MOMENT_BATCHES):
        moments.run(augmented(train_images[random.integers(0, len(train_images), BATCH)]), weights)
    moments.fixed = True
    wrong = 0
    for start in range(0, len(test_images), 250):
        logits = moments.run(torch.from_numpy(test_images[start : start + 250].astype(np.float32)), weights)
        wrong += int((logits.argmax(1) != test_labels[start : start + 250]).sum())
    return wrong / len(test_images)


train_images, train_labels = read(*[f"data_batch_{i}.bin" for i in range(1, 6)])
test_images, test_labels = read("test_batch.bin")
weights = kernels()
optimizer = sgd(job, weights)
steps = len(train_images) // BATCH
print(f"PyTorch {torch.__version__}, Python {platform.python_version()}; WRN-20-{width:g}, {bits} bit, batch size {BATCH}, seed {SEED}", flush=True)
for epoch in range(epochs):
    start, order, losses = time.time(), random.permutation(len(train_images)), []
    begin, end = max([0, *[e for e in CYCLE_ENDS if e <= epoch]]), min(e for e in CYCLE_ENDS if e > epoch)
    for step in range(steps):
        chosen = order[step * BATCH : (step + 1) * BATCH]
        passed = (epoch + step / steps - begin) / (end - begin)
        for group in optimizer.param_groups:
            group["lr"] = LOW + (HIGH - LOW) / 2 * (1 + math.cos(math.pi * passed))
        loss = F.cross_entropy(network(job, augmented(train_images[chosen]), weights), train_labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    error = f", test error {100 * test_error(weights):.2f} %" if epoch + 1 == end else ""
    print(f"epoch {epoch + 1}: mean loss {np.mean(losses):.4f}, {time.time() - start:.0f} s{error}", flush=True)

"""The PyTorch side of bench/train-step.mjs: the network and recipe of the test's reference, channels_last, two threads.

usage: train_step.py JOB.json [MODE]    one step for each line on stdin, one line of JSON each; MODE: compile, bf16, compile+bf16
       train_step.py JOB.json profile   time by op over a few steps
"""

import json
import os
import platform
import resource
import sys
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch.profiler import ProfilerActivity, profile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "test", "train"))
from reference import network, read_weights, sgd  # noqa: E402

PROFILED_STEPS = 3
modes = [mode for mode in "".join(sys.argv[2:]).split("+") if mode]

torch.set_num_threads(2)
job = json.load(open(sys.argv[1]))
weights = [w.contiguous(memory_format=torch.channels_last).requires_grad_() for w in read_weights(job)]
optimizer = sgd(job, weights)
batch, height, width, channels = job["images_shape"]
# the pixels lie NHWC in memory; seen as NCHW that is channels_last
images = torch.from_numpy(np.fromfile(job["images"], "<f4").reshape(job["images_shape"])).permute(0, 3, 1, 2)
labels = torch.from_numpy(np.fromfile(job["labels"], "<i4")).long()


def loss_of():
    with torch.autocast("cpu", torch.bfloat16, enabled="bf16" in modes):
        logits = network(job, images, weights)
    return F.cross_entropy(logits.float(), labels)


if "compile" in modes:
    loss_of = torch.compile(loss_of)


def step():
    loss = loss_of()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


if modes == ["profile"]:
    step()
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        for _ in range(PROFILED_STEPS):
            step()
    ops = {event.key: event.self_cpu_time_total / 1000 / PROFILED_STEPS for event in profiler.key_averages()}
    print(json.dumps(ops))
else:
    print(json.dumps({"runtime": f"PyTorch {torch.__version__} {' '.join(modes)}, Python {platform.python_version()}"}), flush=True)
    for _ in sys.stdin:
        start, used = time.perf_counter(), time.process_time()
        loss = step()
        ms, cpu = 1000 * (time.perf_counter() - start), 1000 * (time.process_time() - used)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        print(json.dumps({"ms": ms, "cpu": cpu, "loss": loss, "memory": memory}), flush=True)

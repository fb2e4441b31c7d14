"""Prints the digests that mat5.test.ts and read-model.test.ts compare with, computed with scipy and NumPy alone.

python digests.py FOLDER_OF_THE_AUTHORS_FILES (scipy 1.17.1, NumPy 2.4.6)
"""

import hashlib
import sys

import numpy as np
from scipy.io import loadmat, whosmat

KERAS = f"{sys.argv[1]}/CIFAR10_allparams.mat"
MATLAB = f"{sys.argv[1]}/TrainedWideResNet20-10_CIFAR10_1-bit-per-weight-4MB.mat"


def feed(digest, value):
    """Sizes, then the elements as float64 in column-major order; cells one by one, structs field by field."""
    value = np.asarray(value)
    if value.dtype.kind == "U":
        digest.update("".join(value.ravel()).encode())
        return
    digest.update(("x".join(map(str, value.shape)) + ";").encode())
    if value.dtype == object:
        for cell in value.ravel(order="F"):
            feed(digest, cell)
    elif value.dtype.names:
        for field in value.dtype.names:
            digest.update(f"{field}:".encode())
            for cell in value[field].ravel(order="F"):
                feed(digest, cell)
    else:
        digest.update(value.astype("<f8").ravel(order="F").tobytes())


def variables(path):
    digest = hashlib.sha256()
    values = loadmat(path)
    for name, _, _ in whosmat(path):
        digest.update(f"{name}=".encode())
        feed(digest, values[name])
    return digest.hexdigest()


def floats(values):
    return np.ascontiguousarray(values, "<f4").tobytes()


def bits(kernel_hwio):
    return np.packbits(np.ascontiguousarray(kernel_hwio.transpose(3, 2, 0, 1)).astype(np.uint8).ravel()).tobytes()


def keras_model():
    digest = hashlib.sha256()
    values = loadmat(KERAS)
    for name, _, _ in whosmat(KERAS):
        value = values[name]
        if "conv" in name:
            height, width, inputs, _ = value[0].shape
            digest.update(bits(value[0]) + floats(np.sqrt(2 / (height * width * inputs))))
        else:
            for row in [*value[-2:], *value[:-2]]:  # mean, variance, then gamma, beta where they are
                digest.update(floats(row))
    return digest.hexdigest()


def matlab_model():
    digest = hashlib.sha256()
    values = loadmat(MATLAB)
    cells = {name: list(values[name].ravel()) for name in ("BinaryWeights", "Moments", "BNG", "BNB")}
    for i, moments in enumerate(cells["Moments"]):
        digest.update(floats(moments[:, 0]) + floats(moments[:, 1].astype("f8") ** 2))
        gamma, beta = cells["BNG"][i], cells["BNB"][i]
        if i == 0:
            digest.update(floats(gamma) + floats(beta))
        else:
            assert (gamma == 1).all() and (beta == 0).all()
        if i < len(cells["BinaryWeights"]):
            digest.update(bits(cells["BinaryWeights"][i]) + floats(values["LayerWeights"][i]))
    return digest.hexdigest()


for path in KERAS, MATLAB:
    print(path, variables(path))
print("keras model", keras_model())
print("matlab model", matlab_model())

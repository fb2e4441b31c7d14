"""Writes networks of the Keras dialect, as Keras itself saves them, with random weights and moments, images, and Keras's outputs.

python keras_network.py QUESTION.json ANSWER.json

The question is {"folder": ..., "depth": ..., "width": ..., "classes": ...}; the answer names, for each network, its files
and the file of its logits. The network is written here from its description, for TensorFlow 2.15 and for Keras 3.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow import keras

IMAGES = 3
VERSION = getattr(keras, "__version__", tf.__version__)
KERAS_3 = int(VERSION.split(".")[0]) >= 3


class BinaryConv2D(keras.layers.Conv2D):
    """Convolves with s * sign(W)."""

    def call(self, x):
        height, width, inputs, _ = self.kernel.shape
        kernel = math.sqrt(2 / (height * width * inputs)) * tf.sign(self.kernel)
        return tf.nn.conv2d(x, kernel, strides=list(self.strides), padding="SAME")


def network(depth, width, classes, size, binary, shifted, divisor):
    layers = keras.layers
    Conv = BinaryConv2D if binary else layers.Conv2D

    def norm(x, affine=False):
        return layers.BatchNormalization(epsilon=1e-5, center=affine, scale=affine)(x)

    def conv(x, channels, kernel=3, strides=1):
        return Conv(channels, kernel, strides=strides, padding="same", use_bias=False)(x)

    def activate(x):
        if not shifted:
            return layers.Activation("relu")(norm(x))
        x = layers.Lambda(lambda z: z + 1)(x)
        return layers.Lambda(lambda z: z - 1)(layers.ReLU()(x))

    images = keras.Input((size, size, 3))
    channels = int(16 * width)
    x = conv(norm(images, affine=True), channels)
    for group in range(3):
        for block in range((depth - 2) // 6):
            halves = group > 0 and block == 0
            y = conv(activate(x), channels, strides=2 if halves else 1)
            y = conv(activate(y), channels)
            if halves:
                x = layers.AveragePooling2D(3, strides=2, padding="same")(x)
                zeros = layers.Lambda(lambda z: tf.zeros_like(z))(x)
                x = layers.concatenate([x, zeros])
            x = layers.add([y, x])
        channels *= 2
    x = conv(activate(x), classes, kernel=1)
    if shifted:
        x = layers.Lambda(lambda z: z * (1.0 / divisor))(x)
    else:
        x = norm(x)
    logits = layers.GlobalAveragePooling2D()(x)
    outputs = logits if shifted else layers.Activation("softmax")(logits)
    return keras.Model(images, outputs), keras.Model(images, logits)


def randomize(model, binary):
    """Weights and moments of the size that training gives."""
    random = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernel = layer.get_weights()[0]
            layer.set_weights([random.normal(size=kernel.shape) * math.sqrt(2 / kernel[..., 0].size)])
        elif isinstance(layer, keras.layers.BatchNormalization):
            weights = layer.get_weights()
            first = len(weights) == 4
            channels = len(weights[0])
            mean = 127 + 20 * random.normal(size=channels) if first else 0.5 * random.normal(size=channels)
            variance = (5000 if first else 1) * random.uniform(0.5, 1.5, size=channels)
            affine = [random.uniform(0.5, 1.5, size=channels), 0.5 * random.normal(size=channels)] if first else []
            layer.set_weights([*affine, mean, variance])


def main(question):
    folder = Path(question["folder"])
    depth, width, classes = question["depth"], question["width"], question["classes"]
    answer = {"version": VERSION, "networks": []}
    images = np.random.default_rng(2).integers(0, 256, (IMAGES, 32, 32, 3), dtype=np.uint8)
    images.transpose(0, 3, 1, 2).tofile(folder / "images.u8")
    for name, binary, shifted in ("binary", True, False), ("float", False, False), ("shifted", True, True):
        keras.backend.clear_session()
        model, logits = network(depth, width, classes, 32, binary, shifted, 40.0)
        model.compile(optimizer="sgd", loss="categorical_crossentropy")
        randomize(model, binary)
        names = [f"{name}.weights.h5", f"{name}.h5", f"{name}.keras"] if KERAS_3 else [f"{name}-weights.h5", f"{name}.h5", f"{name}.keras"]
        files = [str(folder / file) for file in names]
        model.save_weights(files[0])
        for file in files[1:]:
            model.save(file)
        outputs = str(folder / f"{name}.f32")
        logits.predict(images.astype(np.float32), verbose=0).astype(np.float32).tofile(outputs)
        answer["networks"].append({"name": name, "files": files, "logits": outputs})
        if name == "binary":  # the inference model of the same weights: ±s in plain convolutions
            plain, _ = network(depth, width, classes, 32, False, False, 40.0)
            for ours, theirs in zip(plain.layers, model.layers):
                weights = theirs.get_weights()
                if isinstance(ours, keras.layers.Conv2D):
                    weights = [np.sign(weights[0]) * math.sqrt(2 / weights[0][..., 0].size)]
                ours.set_weights(weights)
            file = str(folder / ("signs.weights.h5" if KERAS_3 else "signs.h5"))
            plain.save_weights(file)
            answer["networks"].append({"name": "signs", "files": [file], "logits": outputs})
    return answer


with open(sys.argv[1]) as asked:
    question = json.load(asked)
answer = main(question)
with open(sys.argv[2], "w") as out:
    json.dump(answer, out)

"""WRN-20-10 as LiteRT int8: the same layers with random weights. python litert_twin.py OUT.tflite"""

import sys

import numpy as np
import tensorflow as tf

L = tf.keras.layers


def bn_relu(x):
    return L.ReLU()(L.BatchNormalization()(x))


x = inputs = L.Input((32, 32, 3), batch_size=1)
x = L.Conv2D(160, 3, padding='same', use_bias=False)(L.BatchNormalization()(x))
for group, width in enumerate((160, 320, 640)):
    for block in range(3):
        stride = 2 if group and not block else 1
        y = L.Conv2D(width, 3, strides=stride, padding='same', use_bias=False)(bn_relu(x))
        y = L.Conv2D(width, 3, padding='same', use_bias=False)(bn_relu(y))
        if stride == 2:
            x = L.AveragePooling2D(3, 2, padding='same')(x)
            x = L.Concatenate()([x, L.Lambda(lambda t: tf.zeros_like(t))(x)])
        x = L.Add()([x, y])
x = L.GlobalAveragePooling2D()(L.BatchNormalization()(L.Conv2D(10, 1, use_bias=False)(bn_relu(x))))
model = tf.keras.Model(inputs, x)
converter = tf.lite.TFLiteConverter.from_keras_model(model)
converter.optimizations = [tf.lite.Optimize.DEFAULT]
random = np.random.default_rng(1)
converter.representative_dataset = lambda: ([random.uniform(0, 255, (1, 32, 32, 3)).astype(np.float32)] for _ in range(4))
converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
with open(sys.argv[1], 'wb') as file:
    file.write(converter.convert())

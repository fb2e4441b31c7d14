"""Asks the classifier of config.pbtxt for one image: python client.py HOST:8000 ship.png

pip install tritonclient[http] pillow
"""

import sys

import numpy as np
import tritonclient.http as triton
from PIL import Image

address, path = sys.argv[1:]
image = np.asarray(Image.open(path).convert("RGB").resize((32, 32)), dtype=np.uint8)[None]
images = triton.InferInput("images", image.shape, "UINT8")
images.set_data_from_numpy(image)
logits = triton.InferenceServerClient(address).infer("classifier", [images]).as_numpy("logits")[0]
probabilities = np.exp(logits - logits.max())
probabilities /= probabilities.sum()
print(probabilities.argmax(), probabilities.max())

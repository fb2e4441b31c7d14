# python classify.py MODEL.onnx IMAGE        needs: pip install onnxruntime numpy pillow
import json
import os
import sys

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # onnxruntime reports its use to its vendor unless this is set before it loads

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

model_path, image_path = sys.argv[1:]
session = onnxruntime.InferenceSession(model_path)
labels = json.loads(session.get_modelmeta().custom_metadata_map.get("wrn.class_labels", "{}"))

# exported with --input nhwc-uint8: the network takes pixels as they are
_, height, width, channels = session.get_inputs()[0].shape
image = ImageOps.exif_transpose(Image.open(image_path))
if image.mode.startswith("I"):  # 16-bit grey, which convert() would clip
    image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image.convert("RGBA"))
image = image.convert("L" if channels == 1 else "RGB")
pixels = np.asarray(ImageOps.fit(image, (width, height))).reshape(1, height, width, channels)
[[logits]] = session.run(["logits"], {"images": pixels})

weights = np.exp(logits - logits.max())
for i in np.argsort(-weights)[:3]:
    print(f"{labels[i] if labels else f'class {i}'}: {100 * weights[i] / weights.sum():.1f} %")

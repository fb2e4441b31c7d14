"""Data sets as Python writes them. Usage: fixtures.py FOLDER; images are noise of a seed, which the answer gives too."""
import io, json, pickle, sys
from pathlib import Path
import numpy as np
import pyarrow as pa, pyarrow.parquet as pq
from PIL import Image

folder = Path(sys.argv[1])
random = np.random.default_rng(1)
data = random.integers(0, 256, (4, 3072), dtype=np.uint8)
labels = [3, 9, 0, 3]
answer = {"cifar": data.ravel().tolist(), "labels": labels}
for protocol in range(2, 6):
    target = folder / f"cifar-{protocol}"
    target.mkdir()
    batch = {b"data": data, b"labels": labels, b"batch_label": b"x"} if protocol % 2 else {"data": data, "labels": labels, "filenames": ["a"]}
    (target / "test_batch").write_bytes(pickle.dumps(batch, protocol=protocol))
target = folder / "cifar-100-python"
target.mkdir()
(target / "meta").write_bytes(pickle.dumps({"fine_label_names": []}, protocol=2))
(target / "test").write_bytes(pickle.dumps({"data": data, "fine_labels": [99, 1, 2, 3], "coarse_labels": [1, 1, 1, 1]}, protocol=4))
images = random.integers(0, 256, (5, 28, 28), dtype=np.uint8)
answer["mnist"] = images.ravel().tolist()
for name, save in (("keras", np.savez), ("keras-small", np.savez_compressed)):
    (folder / name).mkdir()
    save(folder / name / "mnist.npz", x_train=images[:1], y_train=np.array([7], np.uint8), x_test=images, y_test=np.array([5, 0, 4, 1, 9], np.uint8))
def png(pixels):
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return {"bytes": out.getvalue(), "path": None}
colour = data.reshape(4, 3, 32, 32).transpose(0, 2, 3, 1)
names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
struct = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
for compression in ("snappy", "zstd", "none", "gzip"):
    target = folder / f"parquet-{compression}" / "plain_text"
    target.mkdir(parents=True)
    schema = pa.schema([("img", struct), ("label", pa.int64())], metadata={"huggingface": json.dumps({"info": {"features": {"label": {"names": names, "_type": "ClassLabel"}}}})})
    table = pa.table({"img": pa.array([png(one) for one in colour], struct), "label": pa.array(labels, pa.int64())}, schema=schema)
    pq.write_table(table.slice(0, 3), target / "test-00000-of-00002.parquet", compression=compression, row_group_size=2)
    pq.write_table(table.slice(3), target / "test-00001-of-00002.parquet", compression=compression)
    pq.write_table(table.slice(0, 1), target / "train-00000-of-00001.parquet", compression=compression)
images = pa.array([png(one) for one in colour], struct)
def write(path, labels, images=images):
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    schema = pa.schema([("image", struct), ("label", pa.int64())])
    pq.write_table(pa.table({"image": images, "label": pa.array(labels, pa.int64())}, schema=schema), folder / path)
# ImageNet: the test images have no labels
write("withheld/data/train-00000-of-00001.parquet", [0, 1, 2, 3])
write("withheld/data/validation-00000-of-00001.parquet", [3, 2, 1, 0])
write("withheld/data/test-00000-of-00001.parquet", [-1, -1, -1, -1])
write("only-withheld/test-00000-of-00001.parquet", [-1, -1, -1, -1])
write("some-withheld/test-00000-of-00001.parquet", [0, -1, 1, 1])
write("converted/default/train/0000.parquet", [0, 1, 1, 1])
write("converted/default/test/0000.parquet", [1, 1, 0, 0])
write("part/test-00001-of-00003.parquet", [0, 1, 2, 3])
write("no-split/0000.parquet", [0, 1, 2, 3])
write("sizes/test-00000-of-00001.parquet", [0, 1, 2, 3], pa.array([png(one[: 32 - i]) for i, one in enumerate(colour)], struct))
print(json.dumps(answer))

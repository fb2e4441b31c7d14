// Runs every file of a folder of `export --layout hub` in optimum-onnx's ORTModelForImageClassification and compares the scores
// with those of `predict`. Apart from the tests, because PyTorch and its companions take gigabytes and minutes to install:
//   npm run check:optimum
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const PACKAGES = ['optimum-onnx[onnxruntime]==0.1.0', 'pillow==13.0.0'];
const TOLERANCE = { 'model.onnx': 1e-5, 'model_q1.onnx': 1e-5, 'model_fp16.onnx': 2e-3, 'model_quantized.onnx': 0.03 };
const cases = [
  { network: 'cifar-10-wrn-20-1', image: 'examples/ship.png', mode: 'RGB', args: [] },
  { network: 'fashion-mnist-wrn-20-1', image: 'examples/ship.png', mode: 'L', args: ['--calibrate', join(root, 'examples/fashion-mnist')] },
];

// The pipeline turns every picture into colour: grey ones go without it, as the model card says.
const PROGRAM = `
import json, sys
import numpy as np
from optimum.onnxruntime import ORTModelForImageClassification
from PIL import Image
from transformers import AutoImageProcessor, pipeline
folder, name, image, mode = sys.argv[1:]
model = ORTModelForImageClassification.from_pretrained(folder, subfolder="onnx", file_name=name)
processor = AutoImageProcessor.from_pretrained(folder)
if mode == "RGB":
    answer = pipeline("image-classification", model=model, image_processor=processor)(image, top_k=10)
else:
    pixels = np.asarray(Image.open(image).convert("L"))[..., None]
    scores = model(**processor(pixels, input_data_format="channels_last", return_tensors="pt")).logits.softmax(-1)[0]
    answer = [{"label": model.config.id2label[i], "score": score.item()} for i, score in enumerate(scores)]
print(json.dumps(answer))
`;

const environment = join(root, 'node_modules/.cache/wrn-onnx/optimum');
const python = join(environment, process.platform === 'win32' ? 'Scripts/python.exe' : 'bin/python');
if (!existsSync(join(environment, 'complete'))) {
  mkdirSync(join(environment, '..'), { recursive: true });
  execFileSync('python3', ['-m', 'venv', '--clear', environment], { stdio: 'inherit' });
  execFileSync(python, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...PACKAGES], { stdio: 'inherit' });
  writeFileSync(join(environment, 'complete'), '');
}

const wrn = (...args) => execFileSync(process.execPath, [join(root, 'dist/node/cli.js'), ...args], { encoding: 'utf8' });
const scratch = mkdtempSync(join(tmpdir(), 'wrn-optimum-'));
let failed = false;
try {
  for (const { network, image, mode, args } of cases) {
    const folder = join(scratch, network);
    const { files } = JSON.parse(wrn('export', network, '--layout', 'hub', '-o', folder, '--format', 'json', ...args));
    const picture = join(scratch, `${mode}.png`);
    const size = mode === 'L' ? 28 : 32;
    const resize = `import sys; from PIL import Image; Image.open(sys.argv[1]).convert("${mode}").resize((${size}, ${size})).save(sys.argv[2])`;
    execFileSync(python, ['-c', resize, join(root, image), picture]);
    for (const { path } of files) {
      const name = path.replace('onnx/', '');
      const env = { ...process.env, HF_HUB_OFFLINE: '1', ORT_DISABLE_TELEMETRY: '1' };
      const answer = execFileSync(python, ['-c', PROGRAM, folder, name, picture, mode], {
        encoding: 'utf8',
        env,
        stdio: ['ignore', 'pipe', 'ignore'],
      });
      const scores = new Map(JSON.parse(answer.trim().split('\n').at(-1)).map(({ label, score }) => [label, score]));
      const { classes } = JSON.parse(wrn('predict', join(folder, path), picture, '--top', '10', '--format', 'json')).results[0];
      const difference = Math.max(...classes.map(({ label, probability }) => Math.abs(scores.get(label) - probability)));
      const ok = scores.size === 10 && difference < TOLERANCE[name];
      failed ||= !ok;
      console.log(`${network} ${path}: ${ok ? 'ok' : 'FAILED'}, scores within ${difference.toExponential(1)} of predict`);
    }
  }
} finally {
  rmSync(scratch, { recursive: true });
}
process.exitCode = failed ? 1 : 0;

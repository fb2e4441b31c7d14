/** `export --layout hub`: a folder for the Hugging Face Hub. Every network in it is compared with its source first. */

import { readFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { unknown } from 'valibot';
import { sha256 } from '#builtin';
import { type CardFile, modelCard, type Training } from '../../../converters/hub/card.ts';
import { HUB_INPUT, type HubForm, hubConfig, hubFiles, hubPreprocessor } from '../../../converters/hub/config.ts';
import { toOnnx } from '../../../converters/onnx/write.ts';
import { verifyExport } from '../../../eval/verify/export.ts';
import type { Fp16Verification } from '../../../eval/verify/fp16.ts';
import type { Int8Verification } from '../../../eval/verify/int8.ts';
import { zerosDifference } from '../../../eval/verify/zeros.ts';
import { integer, object, readJson, text } from '../../formats/schema.ts';
import { networkName } from '../../network/config.ts';
import type { Model } from '../../network/model.ts';
import { weightCount } from '../../network/topology.ts';
import { grouped, percent, significant } from '../../numbers.ts';
import { requirePackage } from '../../packages.ts';
import { printable } from '../../printable.ts';
import { readRecipe } from '../../train/recipe.ts';
import { version } from '../../version.ts';
import { type FolderRules, requireWritableFolder, writeFolder } from '../shared/output-folder.ts';
import { printJson, printText } from '../shared/results.ts';
import { networkPath } from '../shared/shipped-models.ts';
import { readSource, type SourceFlags } from '../shared/source.ts';
import { describeAccuracy, describeZeros } from './describe.ts';
import { exportFp16, type Fp16Flags } from './fp16.ts';
import { exportInt8, type Int8Flags } from './int8.ts';

export interface HubFlags extends SourceFlags, Int8Flags, Fp16Flags {
  readonly output: string;
  readonly license?: string;
  readonly force: boolean;
  readonly format: 'human' | 'json';
}

/** A network in the folder, with the result of its verification. */
interface Part extends CardFile {
  readonly form: HubForm;
  readonly file: Uint8Array;
  readonly verification: unknown;
}

const MADE = new Set<string>(['config.json', 'preprocessor_config.json', 'README.md', ...Object.values(hubFiles).map(({ path }) => path)]);

export async function exportHub(source: string, flags: HubFlags): Promise<void> {
  const rules: FolderRules = { force: flags.force, owns: (path) => MADE.has(path) };
  requireWritableFolder(flags.output, rules);
  requirePackage('onnxruntime-node'); // no file is published that did not run
  const model = await readSource(source, flags);
  const { config, about } = model;
  const parts = await makeParts(model, flags);
  const zeros = await zerosDifference(model);
  const card = modelCard(model, {
    files: parts,
    folder: basename(resolve(flags.output)),
    license: flags.license,
    training: await trainingOf(networkPath(source)),
    version,
  });
  const json = (value: unknown) => Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
  const forms = parts.map(({ form }) => form);
  const files = new Map<string, Uint8Array>([
    ['config.json', json(hubConfig(model, forms))],
    ['preprocessor_config.json', json(hubPreprocessor(model))],
    ['README.md', Buffer.from(card)],
    ...parts.map(({ path, file }) => [path, file] as const),
  ]);
  await writeFolder(flags.output, files, rules);

  const weights = weightCount(config);
  const network = networkName(config);
  const bitsPerWeight = (bytes: number) => (bytes * 8) / weights;
  if (flags.format === 'json') {
    const written = parts.map(({ file, parity, ...part }) => ({ ...part, bitsPerWeight: bitsPerWeight(part.bytes) }));
    printJson({
      source,
      output: flags.output,
      layout: 'hub',
      network,
      dialect: about.dialect,
      weights,
      files: written,
      ...(zeros && { zeros }),
      ...(model.notes && model.notes.length > 0 && { notes: model.notes }),
    });
    return;
  }
  const lines = [
    `${printable(flags.output)}: ${network} (${printable(about.dialect)}), ${grouped(weights)} weights`,
    ...parts.flatMap(({ path, dtype, bytes, parity }) => [
      `  ${path}: dtype ${dtype}, ${grouped(bytes)} bytes, ${bitsPerWeight(bytes).toFixed(3)} bits per weight`,
      `    ${parity}`,
    ]),
    ...(zeros ? [describeZeros(zeros)] : []),
    ...(forms.includes('packed') && !forms.includes('int8') ? ['  8-bit activations are faster in browsers: add --calibrate DATA'] : []),
    ...(flags.license === undefined ? ['  the model card states no licence: add --license ID'] : []),
    `  to publish it: hf upload USER/${printable(basename(resolve(flags.output)))} ${printable(flags.output)}`,
  ];
  printText(`${lines.join('\n')}\n`);
}

async function makeParts(model: Model, flags: HubFlags): Promise<Part[]> {
  const oneBit = model.config.bits === 1 || model.config.endBits === 1;
  const signature = { inputName: HUB_INPUT };
  const part = (form: HubForm, file: Uint8Array, verification: unknown, parity: string): Part => ({
    form,
    ...hubFiles[form],
    bytes: file.length,
    file,
    verification,
    parity,
  });
  const exact = async (form: 'dense' | 'packed') => {
    const file = toOnnx(model, { form, ...signature });
    const verification = await verifyExport(file, { model });
    const { bits, floats, relError } = verification;
    const parity = `${grouped(bits)} bits and ${grouped(floats)} floats equal the source's, logits within ${significant(relError)} of the reference`;
    return part(form, file, verification, parity);
  };
  const parts = [await exact('dense')];
  if (oneBit) parts.push(await exact('packed'));
  if (flags.calibrate !== undefined) {
    const { file, verification } = await exportInt8(model, { ...flags, ...signature, for: 'wasm' }); // q8 is what browsers ask for
    parts.push(part('int8', file, verification, int8Parity(verification)));
  }
  const { file, verification } = await exportFp16(model, { ...flags, ...signature, data: flags.data ?? flags.calibrate });
  return [...parts, part('fp16', file, verification, fp16Parity(verification))];
}

function int8Parity({ images, agreement, int8, float }: Int8Verification): string {
  return `agreement with float32 ${percent(agreement)} of ${grouped(images)} test images; accuracy on them ${describeAccuracy(int8)}, float32 ${describeAccuracy(float)}`;
}

function fp16Parity({ random, data }: Fp16Verification): string {
  if (!data) return `logits within ${significant(random.relError)} of float32 on ${random.images} random images`;
  const { images, agreement, fp16, float } = data;
  return `agreement with float32 ${percent(agreement)} of ${grouped(images)} test images; accuracy on them ${describeAccuracy(fp16)}, float32 ${describeAccuracy(float)}`;
}

/** The training in the report beside the source; undefined without one, or when it describes another network. */
async function trainingOf(source: string): Promise<Training | undefined> {
  try {
    const json: unknown = JSON.parse(await readFile(join(dirname(source), 'report.json'), 'utf8'));
    const schema = object({
      files: object({ [basename(source)]: object({ sha256: text }) }),
      recipe: unknown(),
      epochs: integer(1, Number.MAX_SAFE_INTEGER),
      data: object({ name: text }),
    });
    const { files, recipe, epochs, data } = readJson(schema, json, 'report');
    if (files[basename(source)]?.sha256 !== sha256(await readFile(source))) return undefined;
    return { recipe: readRecipe(recipe), epochs, data: printable(data.name) };
  } catch {
    return undefined; // the card then has no section on training
  }
}

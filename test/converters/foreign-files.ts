/** Models in the layouts of the published files, written independently of the readers, naively. */
import type { Model } from '../../src/network/model.ts';
import { signAt } from '../../src/network/sign.ts';
import type { Tensor } from '../../src/network/tensor.ts';
import { type ConvLayer, layers, type NormLayer } from '../../src/network/topology.ts';
import type { HdfArrayToWrite, HdfGroupToWrite, KerasLayers } from '../formats/hdf5-file.ts';
import { numeric, type Value } from '../formats/mat5-file.ts';
import { Tensor as TorchTensor, type Value as TorchValue } from '../formats/torch-file.ts';

type Parameters = (field: string) => Tensor;

function* parameterised(model: Model): Generator<{ layer: ConvLayer | NormLayer; of: Parameters }> {
  for (const layer of layers(model.config)) {
    if (layer.op === 'conv' || layer.op === 'norm') yield { layer, of: (field) => model.tensors.get(`${layer.name}.${field}`) as Tensor };
  }
}

/** Weight (o, i, y, x) as it is stored: 1 or -1, or a float. */
function weight({ dtype, data, shape: [, inputs = 0, height = 0, width = 0] }: Tensor, o: number, i: number, y: number, x: number): number {
  const at = ((o * inputs + i) * height + y) * width + x;
  return dtype === 'bits' ? signAt(data, at) : (data[at] as number);
}

/** Weights, 0 and 1 or floats, as [height, width, inputs, outputs] in column-major order. */
function columnMajorHWIO(kernel: Tensor): { dims: number[]; data: Uint8Array | Float32Array } {
  const [outputs = 0, inputs = 0, height = 0, width = 0] = kernel.shape;
  const count = outputs * inputs * height * width;
  const data = kernel.dtype === 'bits' ? new Uint8Array(count) : new Float32Array(count);
  const stored = (value: number) => (kernel.dtype === 'bits' ? Number(value > 0) : value);
  for (let o = 0; o < outputs; o++)
    for (let i = 0; i < inputs; i++)
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) data[y + height * (x + width * (i + inputs * o))] = stored(weight(kernel, o, i, y, x));
  return { dims: [height, width, inputs, outputs], data };
}

/** Variables of `*_allparams.mat`. */
export function kerasVariables(model: Model): Record<string, Value> {
  const variables: Record<string, Value> = {};
  let [convs, norms] = [0, 84]; // the numbers of Keras go on from earlier networks
  for (const { layer, of } of parameterised(model)) {
    if (layer.op === 'conv') {
      const { dims, data } = columnMajorHWIO(of('kernel'));
      variables[convs === 0 ? 'conv2d' : `conv2d_${convs}`] = { kind: 'numeric', dims: [1, ...dims], data, logical: true };
      convs++;
    } else {
      const rows = [...(layer.affine ? ['gamma', 'beta'] : []), 'mean', 'variance'].map((field) => of(field).data);
      const columns = Array.from({ length: layer.shape[0] }, (_, c) => rows.map((row) => row[c] as number));
      variables[`batch_normalization_v1_${norms++}`] = numeric([rows.length, layer.shape[0]], Float32Array.from(columns.flat()));
    }
  }
  return variables;
}

/** Names of the variables of residual and of plain MATLAB files. */
const matlabNames = {
  residual: { kernels: 'BinaryWeights', scales: 'LayerWeights', moments: 'Moments', gammas: 'BNG', betas: 'BNB' },
  plain: { kernels: 'BooleanSingleBitWeights', scales: 'LayerScales', moments: 'BN_Moments', gammas: 'BN_Scales', betas: 'BN_Offsets' },
};

/** Variables of a MATLAB file: sigma instead of variance, scale 1 and offset 0 where they are not learned. */
export function matlabVariables(model: Model): Record<string, Value> {
  const names = matlabNames[model.config.residual ? 'residual' : 'plain'];
  const convs = [...parameterised(model)].filter(({ layer }) => layer.op === 'conv') as { layer: ConvLayer; of: Parameters }[];
  const norms = [...parameterised(model)].filter(({ layer }) => layer.op === 'norm') as { layer: NormLayer; of: Parameters }[];
  const row = (values: readonly number[]) => numeric([1, values.length], Float64Array.from(values));
  const column = (cells: readonly Value[]): Value => ({ kind: 'cell', dims: [cells.length, 1], cells });
  const vector = (layer: NormLayer, of: Parameters, field: string, otherwise: number) => {
    const values = layer.affine ? of(field).data : new Float32Array(layer.shape[0]).fill(otherwise);
    return numeric([layer.shape[0], 1], Float32Array.from(values));
  };
  const moments = ({ layer, of }: (typeof norms)[number]) => {
    const sigmas = Array.from(of('variance').data, Math.sqrt);
    return numeric([layer.shape[0], 2], Float64Array.of(...of('mean').data, ...sigmas));
  };
  return {
    [names.betas]: column(norms.map(({ layer, of }) => vector(layer, of, 'beta', 0))),
    [names.gammas]: column(norms.map(({ layer, of }) => vector(layer, of, 'gamma', 1))),
    [model.config.bits === 1 ? names.kernels : 'Filters']: {
      kind: 'cell',
      dims: [1, convs.length],
      cells: convs.map(({ of }) => ({ kind: 'numeric', ...columnMajorHWIO(of('kernel')), logical: model.config.bits === 1 })),
    },
    ...(model.config.bits === 1 && {
      [names.scales]: numeric(
        [convs.length, 1],
        Float32Array.from(convs, ({ of }) => of('scale').data[0] as number),
      ),
    }),
    [names.moments]: column(norms.map(moments)),
    NumChannels: row([...convs.map(({ layer }) => layer.inputChannels), model.config.classes]),
    Padding: row(convs.map(({ layer }) => layer.pads[0])),
    PercentCorrectTest: row([0, 50, 96.18]),
    Stride: row(convs.map(({ layer }) => layer.stride)),
    W: row(convs.map(({ layer }) => layer.kernel)),
  };
}

/** State dict of binary-wide-resnet; `packed` as its published checkpoint, else latent as in training. */
export function torchState(
  model: Model,
  { packed, prefix = 'module.' }: { packed: boolean; prefix?: string },
): Map<TorchValue, TorchValue> {
  const state = new Map<TorchValue, TorchValue>();
  const theirs: Record<string, string> = { 'stem.conv': 'conv0', 'head.norm': 'bn', 'head.conv': 'conv_last', 'head.norm1': 'bn_last' };
  for (const { layer, of } of parameterised(model)) {
    const name = `${prefix}${theirs[layer.name] ?? layer.name.replace('.norm', '.bn')}`;
    if (layer.op === 'conv') state.set(name, packed && layer.bits === 1 ? packedAlongInputs(of('kernel')) : latent(of('kernel')));
    else {
      const vector = (field: string) => new TorchTensor([layer.shape[0]], of(field).data as Float32Array);
      if (layer.affine) state.set(`${name}.weight`, vector('gamma')).set(`${name}.bias`, vector('beta'));
      state.set(`${name}.running_mean`, vector('mean')).set(`${name}.running_var`, vector('variance'));
      state.set(`${name}.num_batches_tracked`, new TorchTensor([], BigInt64Array.of(7n)));
    }
  }
  return state;
}

/** numpy.packbits(kernel > 0, axis=1) */
function packedAlongInputs(kernel: Tensor): TorchTensor {
  const [outputs = 0, inputs = 0, height = 0, width = 0] = kernel.shape;
  const bytes = Math.ceil(inputs / 8);
  const data = new Uint8Array(outputs * bytes * height * width);
  for (let o = 0; o < outputs; o++)
    for (let i = 0; i < inputs; i++)
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++) {
          const at = ((o * bytes + Math.floor(i / 8)) * height + y) * width + x;
          if (weight(kernel, o, i, y, x) > 0) data[at] = (data[at] as number) + 2 ** (7 - (i % 8));
        }
  return new TorchTensor([outputs, bytes, height, width], data);
}

/** Floats whose signs are the bits. */
function latent(kernel: Tensor): TorchTensor {
  const [outputs = 0, inputs = 0, height = 0, width = 0] = kernel.shape;
  const data: number[] = [];
  for (let o = 0; o < outputs; o++)
    for (let i = 0; i < inputs; i++)
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++)
          data.push(weight(kernel, o, i, y, x) * (kernel.dtype === 'bits' ? 0.01 * (1 + (data.length % 7)) : 1));
  return new TorchTensor(kernel.shape, Float32Array.from(data));
}

/** Layers of a Keras network in order of execution: floats in HWIO, whose signs are the bits. */
export function kerasLayers(model: Model, convName = 'conv2d', normName = 'batch_normalization'): KerasLayers {
  const all: Record<string, { shape: readonly number[]; data: Float32Array }[]> = {};
  let [convs, norms] = [0, 0];
  const numbered = (name: string, number: number) => (number === 0 ? name : `${name}_${number}`);
  for (const { layer, of } of parameterised(model)) {
    if (layer.op === 'conv') {
      const kernel = of('kernel');
      const [outputs = 0, inputs = 0, height = 0, width = 0] = kernel.shape;
      const data: number[] = [];
      for (let y = 0; y < height; y++)
        for (let x = 0; x < width; x++)
          for (let i = 0; i < inputs; i++)
            for (let o = 0; o < outputs; o++)
              data.push(weight(kernel, o, i, y, x) * (kernel.dtype === 'bits' ? 0.01 * (1 + (data.length % 7)) : 1));
      all[numbered(convName, convs++)] = [{ shape: [height, width, inputs, outputs], data: Float32Array.from(data) }];
    } else {
      const fields = [...(layer.affine ? ['gamma', 'beta'] : []), 'mean', 'variance'];
      all[numbered(normName, norms++)] = fields.map((field) => ({ shape: [layer.shape[0]], data: of(field).data as Float32Array }));
    }
  }
  return all;
}

/** Variables of a MAT 5 file as MATLAB 7.3 stores them: dimensions reversed, cells as references to `#refs#`. */
export function mat73Members(variables: Readonly<Record<string, Value>>): HdfGroupToWrite['members'] {
  const referred: Record<string, HdfArrayToWrite> = {};
  const node = (value: Value): HdfArrayToWrite => {
    if (value.kind === 'cell') {
      const paths = value.cells.map((cell) => {
        const content = node(cell); // first what it refers to
        const key = `c${Object.keys(referred).length}`;
        referred[key] = content;
        return `/#refs#/${key}`;
      });
      return { data: paths, references: true, shape: value.dims.toReversed(), attributes: { MATLAB_class: 'cell' } };
    }
    if (value.kind === 'char')
      return {
        data: Uint16Array.from(value.text, (c) => c.charCodeAt(0)),
        shape: [value.text.length, 1],
        attributes: { MATLAB_class: 'char' },
      };
    if (value.kind !== 'numeric') throw new Error(`a ${value.kind} is not written`);
    const className = value.logical ? 'logical' : value.data instanceof Float64Array ? 'double' : 'single';
    return { data: value.data as Float32Array, shape: value.dims.toReversed(), attributes: { MATLAB_class: className } };
  };
  const nodes = Object.entries(variables).map(([name, value]) => [name, node(value)] as const);
  return { '#refs#': { members: referred }, ...Object.fromEntries(nodes) };
}

/** The quantizers of FPGA flows as local functions, so that a stock runtime runs files that call them. */
import { QUANTIZER_DOMAINS, qonnx } from '../../converters/onnx/forms/qonnx.ts';
import { floats, node } from '../../converters/onnx/graph.ts';
import { allGraphs, attribute } from '../../converters/onnx/nodes.ts';
import { liftOpset } from '../../converters/onnx/pack/lift-opset.ts';
import { MIN_OPSET } from '../../converters/onnx/pack/pack.ts';
import type { FunctionProto, ModelProto, NodeProto } from '../../proto/onnx.ts';

/**
 * The model with functions for the quantizers that it calls but does not define; undefined when there is none, or one that is not
 * known here. Changes the nodes of `model`.
 */
export function withQuantizers(model: ModelProto): ModelProto | undefined {
  const there = new Set((model.functions ?? []).map(({ domain, name }) => `${domain}::${name}`));
  const calls = (model.graph ? allGraphs(model.graph) : [])
    .flatMap((graph) => graph.node ?? [])
    .filter(({ domain, op_type }) => QUANTIZER_DOMAINS.includes(domain ?? '') && !there.has(`${domain}::${op_type}`));
  if (calls.length === 0) return undefined;
  const lifted: ModelProto = { ...model, opset_import: [...(model.opset_import ?? [])] };
  const opset = liftOpset(lifted, MIN_OPSET);
  const functions = new Map<string, FunctionProto>();
  for (const call of calls) {
    const body = call.op_type === 'BipolarQuant' ? bipolarQuant(opset) : quant(call);
    if (!body) return undefined;
    call.op_type = body.name ?? '';
    functions.set(`${call.domain}::${body.name}`, { ...body, domain: call.domain ?? '' });
  }
  const opset_import = lifted.opset_import?.filter(({ domain }) => !domain || domain === 'ai.onnx') ?? [];
  // files of brevitas 0.5 to 0.7, as in the QONNX model zoo, do not import the domain
  const called = [...new Set(calls.map(({ domain }) => domain ?? ''))];
  const imported = new Set(lifted.opset_import?.map(({ domain }) => domain));
  const imports = called.filter((domain) => !imported.has(domain)).map((domain) => ({ domain, version: 1 }));
  return {
    ...lifted,
    opset_import: [...(lifted.opset_import ?? []), ...imports],
    functions: [...(model.functions ?? []), ...[...functions.values()].map((body) => ({ ...body, opset_import }))],
    ir_version: Math.max(8, Number(model.ir_version)),
  };
}

/** GreaterOrEqual came with operator set 12. */
const GREATER_OR_EQUAL = 12;

function bipolarQuant(opset: number): FunctionProto | undefined {
  if (opset >= GREATER_OR_EQUAL) return qonnx.functions[0];
  return {
    name: 'BipolarQuant',
    input: ['X', 'scale'],
    output: ['Y'],
    node: [
      scalar('zero', 0),
      node('Less', ['X', 'zero'], 'negative'),
      node('Neg', ['scale'], 'negative_scale'),
      node('Where', ['negative', 'negative_scale', 'scale'], 'Y'),
    ],
  };
}

const scalar = (name: string, value: number) => node('Constant', [], name, { value: floats([], Float32Array.of(value)) });

/** Adding and taking away 1.5 * 2^23 rounds a float32 below 2^22 half to even; Round came with operator set 11. */
const ROUNDER = 1.5 * 2 ** 23;

/** Nodes that round `clamped` to `level`, by the name of the rounding mode. */
const roundings: Readonly<Record<string, readonly NodeProto[]>> = {
  ROUND: [scalar('rounder', ROUNDER), node('Add', ['clamped', 'rounder'], 'raised'), node('Sub', ['raised', 'rounder'], 'level')],
  CEIL: [node('Ceil', ['clamped'], 'level')],
  FLOOR: [node('Floor', ['clamped'], 'level')],
};

/**
 * Quant and IntQuant: clamped and rounded levels of a number of bits (qonnx, docs/qonnx-custom-ops/intquant_v1.md). The attributes become
 * part of the name; one bit with a sign is -1 or 1.
 */
function quant(call: NodeProto): FunctionProto | undefined {
  const flag = (name: string) => Number(attribute(call, name)?.i ?? 1);
  const [signed, narrow] = [flag('signed'), flag('narrow')];
  const mode = new TextDecoder().decode(attribute(call, 'rounding_mode')?.s ?? new Uint8Array()).toUpperCase() || 'ROUND';
  const rounding = roundings[mode === 'HALF_EVEN' ? 'ROUND' : mode];
  if (!/^(Int)?Quant$/.test(call.op_type ?? '') || !rounding) return undefined;
  return {
    name: `Quant_${signed}_${narrow}_${mode}`,
    input: ['X', 'scale', 'zero_point', 'bits'],
    output: ['Y'],
    node: [
      ...Object.entries({ zero: 0, half: 0.5, one: 1, minus_one: -1, two: 2, signed, narrow }).map(([name, value]) => scalar(name, value)),
      node('Sub', ['bits', 'signed'], 'power'),
      node('Pow', ['two', 'power'], 'levels'),
      // highest: levels - 1, one less if narrow and unsigned; lowest: -levels, one more if narrow, or 0 if unsigned
      scalar('unused', 1 + (1 - signed) * narrow),
      node('Sub', ['levels', 'unused'], 'highest'),
      node('Sub', ['narrow', 'levels'], 'negative'),
      node('Mul', ['negative', 'signed'], 'lowest'),
      node('Div', ['X', 'scale'], 'scaled'),
      node('Add', ['scaled', 'zero_point'], 'shifted'),
      node('Min', ['shifted', 'highest'], 'below'),
      node('Max', ['below', 'lowest'], 'clamped'),
      ...rounding,
      node('Less', ['shifted', 'zero'], 'is_negative'),
      node('Where', ['is_negative', 'minus_one', 'one'], 'sign'),
      node('Less', ['power', 'half'], 'is_one_bit'),
      node('Where', ['is_one_bit', 'sign', 'level'], 'chosen'),
      node('Sub', ['chosen', 'zero_point'], 'centred'),
      node('Mul', ['centred', 'scale'], 'Y'),
    ],
  };
}

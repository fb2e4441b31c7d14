/**
 * TensorFlow's SavedModel, the part that holds one graph of standard ops and constants.
 * Source: the .proto files of tensorflow/core/framework and core/protobuf/saved_model.proto.
 */
import protobuf from 'protobufjs';
import type { AttributeValue } from './tensorflow.ts';

export interface GraphNode {
  readonly name: string;
  readonly op: string;
  /** `node` or `node:output`. */
  readonly input?: readonly string[];
  readonly attr: Readonly<Record<string, AttrValue>>;
}

/** One member of AttrValue's oneof. */
export type AttrValue = Readonly<Record<string, unknown>>;

/** Fields of AttrValue, one per kind of attribute. */
export type AttrField = 's' | 'i' | 'f' | 'b' | 'type';

const schema = `syntax = "proto3";
  message Dim { int64 size = 1; }
  message Shape { repeated Dim dim = 2; }
  message TensorProto { int32 dtype = 1; Shape tensor_shape = 2; bytes tensor_content = 4; }
  message List { repeated bytes s = 2; repeated int64 i = 3; repeated float f = 4; repeated bool b = 5; repeated int32 type = 6; }
  message AttrValue {
    oneof value { List list = 1; bytes s = 2; int64 i = 3; float f = 4; bool b = 5; int32 type = 6; Shape shape = 7; TensorProto tensor = 8; }
  }
  message NodeDef { string name = 1; string op = 2; repeated string input = 3; map<string, AttrValue> attr = 5; }
  message VersionDef { int32 producer = 1; }
  message GraphDef { repeated NodeDef node = 1; VersionDef versions = 4; }
  message MetaInfoDef { repeated string tags = 4; }
  message MetaGraphDef { MetaInfoDef meta_info_def = 1; GraphDef graph_def = 2; }
  message SavedModel { int64 saved_model_schema_version = 1; repeated MetaGraphDef meta_graphs = 2; }`;

const SavedModel = protobuf.parse(schema, { keepCase: true }).root.lookupType('SavedModel');

/** Tag of the stored graph. */
export const TAG = 'serve';
/** GraphDef version of TensorFlow 2.9, the oldest library in use. */
const PRODUCER = 1087;
const SCHEMA_VERSION = 1;

/** Encodes `saved_model.pb`. */
export function writeSavedModel(nodes: readonly GraphNode[]): Uint8Array {
  const graph = { node: nodes, versions: { producer: PRODUCER } };
  const message = { saved_model_schema_version: SCHEMA_VERSION, meta_graphs: [{ meta_info_def: { tags: [TAG] }, graph_def: graph }] };
  return SavedModel.encode(SavedModel.fromObject(message)).finish();
}

function shapeProto(shape: readonly number[]): { dim: { size: number }[] } {
  return { dim: shape.map((size) => ({ size })) };
}

export function shapeAttr(shape: readonly number[]): AttrValue {
  return { shape: shapeProto(shape) };
}

export function attr(field: AttrField, value: AttributeValue | readonly AttributeValue[]): AttrValue {
  const one = (v: AttributeValue) => (field === 's' ? Buffer.from(String(v)) : v);
  return Array.isArray(value) ? { list: { [field]: value.map(one) } } : { [field]: one(value as AttributeValue) };
}

export function tensorAttr(dtype: number, shape: readonly number[], content: Uint8Array): AttrValue {
  return { tensor: { dtype, tensor_shape: shapeProto(shape), tensor_content: content } };
}

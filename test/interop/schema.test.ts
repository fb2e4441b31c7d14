import { fileURLToPath } from 'node:url';
import protobuf, { type ReflectionObject } from 'protobufjs';
import { expect, test } from 'vitest';
import { hasPython, runPython, SET_UP_TIMEOUT } from './environment.ts';

interface Schema {
  readonly messages: Record<string, Record<string, [number: number, type: string, repeated: boolean, packed: boolean]>>;
  readonly enums: Record<string, Record<string, number>>;
}

/** Our schema in the words of schema.py. */
function ours(): Schema {
  const root = new protobuf.Root().loadSync(fileURLToPath(new URL('../../proto/onnx.proto', import.meta.url)), { keepCase: true });
  root.resolveAll();
  const schema: Schema = { messages: {}, enums: {} };
  const visit = (item: ReflectionObject) => {
    const name = item.fullName.slice(1);
    if (item instanceof protobuf.Enum) schema.enums[name] = item.values;
    if (item instanceof protobuf.Type) {
      schema.messages[name] = Object.fromEntries(
        item.fieldsArray.map((f) => {
          const type = f.resolvedType ? f.resolvedType.fullName.slice(1) : f.type;
          return [f.name, [f.id, type, f.repeated, f.repeated && f.packed]];
        }),
      );
    }
    if (item instanceof protobuf.Namespace) item.nestedArray.forEach(visit);
  };
  root.nestedArray.forEach(visit);
  return schema;
}

test.skipIf(!hasPython)(
  "every message, field and number is the official schema's [needs Python 3.11 with venv]",
  async () => {
    const official = await runPython<Schema>('schema.py', null);
    const { messages, enums } = ours();
    const floats = official.messages['onnx.AttributeProto']?.['floats'];
    if (floats) floats[3] = true; // packed as in onnx.proto3: parsers of proto2 read both
    expect(messages).toEqual(official.messages);
    for (const [name, values] of Object.entries(enums)) expect(official.enums[name]).toEqual(values);
  },
  SET_UP_TIMEOUT,
);

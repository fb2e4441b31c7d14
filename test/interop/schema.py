"""The official schema as PyPI onnx carries it: message -> field -> [number, type, repeated, packed]; enumeration -> name -> number."""

import json
import sys

from onnx import onnx_ml_pb2
from google.protobuf.descriptor import FieldDescriptor as Field

TYPES = {value: name[5:].lower() for name, value in vars(Field).items() if name.startswith("TYPE_")}


def repeated(field):
    return field.is_repeated if hasattr(field, "is_repeated") else field.label == Field.LABEL_REPEATED


def field_of(field):
    target = field.message_type or field.enum_type
    return [field.number, target.full_name if target else TYPES[field.type], repeated(field), field.GetOptions().packed]


messages, enums = {}, {}


def visit(message):
    messages[message.full_name] = {field.name: field_of(field) for field in message.fields}
    for enum in message.enum_types:
        enums[enum.full_name] = {value.name: value.number for value in enum.values}
    for nested in message.nested_types:
        visit(nested)


for message in onnx_ml_pb2.DESCRIPTOR.message_types_by_name.values():
    visit(message)
json.dump({"messages": messages, "enums": enums}, open(sys.argv[2], "w"))

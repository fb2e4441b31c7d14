"""Parses configurations of Triton by its own schema; answers with their fields as JSON."""

import json
import sys
from pathlib import Path

from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2

question, answer = sys.argv[1:]
configs = [text_format.Parse(Path(path).read_text(), model_config_pb2.ModelConfig()) for path in json.loads(Path(question).read_text())]
Path(answer).write_text(json.dumps([json_format.MessageToDict(config) for config in configs]))

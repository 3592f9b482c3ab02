"""Copies of models and nodes."""

from typing import TypeVar

from onnx import ModelProto, NodeProto

Message = TypeVar("Message", ModelProto, NodeProto)


def copy_message(message: Message) -> Message:
    """Return a copy of a model or a node, which can be edited."""
    copy = type(message)()
    copy.CopyFrom(message)
    return copy

"""Handing a generator on: a published folder, the Hugging Face hub, ONNX."""

from cgan_lib.publish.folder import publish
from cgan_lib.publish.one_file import architecture
from cgan_lib.publish.onnx import export_onnx

__all__ = ["architecture", "export_onnx", "publish"]

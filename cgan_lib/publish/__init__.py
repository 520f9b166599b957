"""Handing a generator on: a published folder, the Hugging Face hub, ONNX."""

"""From a run to a model folder: weights, ONNX, description, model card."""

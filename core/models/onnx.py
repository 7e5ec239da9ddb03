"""A model as an ONNX file, for programs without PyTorch.

Our models are a chain of six kinds of layers, each one node in ONNX, so the chain is written out here: PyTorch's own
exporter needs two more packages and traces the model to get the same graph.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from torch import Tensor, nn

from core.errors import RunError
from core.files import write_whole
from core.labels import LABELS
from core.models import IMAGE_SIZE
from core.models.cnn import CnnModel1, CnnModel2

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

OPSET: Final = 17
"""ONNX operator set, of 2022: everything reads it."""
_IR_VERSION: Final = 8

DESCRIPTION: Final = (
    "Input 'images': uint8 (N, 48, 48), gray values 0 to 255 of faces cropped like FER2013, any N; the scaling to "
    "0..1 is part of the model. Output 'logits': float32 (N, 7). Output 'probabilities': float32 (N, 7), rows "
    "summing to 1, the softmax of the logits divided by the temperature. The classes are in the order of 'labels'."
)


def write_onnx(model: CnnModel1 | CnnModel2, path: Path, temperature: float | None = None, source: str = "") -> None:
    """Write a model as ONNX, with its preprocessing included and described in its metadata.

    Args:
        model: in evaluation mode, on any device.
        path: the file to replace.
        temperature: the logits are divided by it for the probabilities; None leaves them as they are.
        source: where the weights are from, for the metadata.

    Raises:
        RunError: the package `onnx` is not installed.
        OSError: the file cannot be written.
    """
    try:
        import onnx
        from onnx import TensorProto, helper
    except ImportError:
        raise RunError("ONNX export needs the package onnx. Run `pip install onnx` and try again.") from None
    nodes, weights = _chain(model, temperature or 1.0)
    floats = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", len(LABELS)])
        for name in ("logits", "probabilities")
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", IMAGE_SIZE, IMAGE_SIZE])
    graph = helper.make_graph(nodes, type(model).__name__, [images], floats, weights)
    opset = [helper.make_opsetid("", OPSET)]
    made = helper.make_model(graph, producer_name="fer-dashboard", opset_imports=opset, ir_version=_IR_VERSION)
    made.doc_string = DESCRIPTION
    facts = {"labels": ",".join(LABELS), "temperature": str(temperature or 1.0), "source": source}
    helper.set_model_props(made, facts)
    onnx.checker.check_model(made, full_check=True)
    write_whole(path, lambda file: file.write(made.SerializeToString()))


def _chain(model: CnnModel1 | CnnModel2, temperature: float) -> "tuple[list[NodeProto], list[TensorProto]]":
    """The nodes from `images` to `logits` and `probabilities`, and the weights they name."""
    from onnx import NodeProto, TensorProto, helper, numpy_helper

    nodes: list[NodeProto] = []
    weights: list[TensorProto] = []

    def constant(name: str, value: Tensor | np.ndarray) -> str:
        array = value.detach().cpu().numpy() if isinstance(value, Tensor) else value
        weights.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(operator: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output

    value = node("Cast", ["images"], "floats", to=TensorProto.FLOAT)
    value = node("Unsqueeze", [value, constant("channel_axis", np.array([1]))], "channel")
    value = node("Div", [value, constant("white", np.float32(255).reshape(1))], "input")
    blocks = {name: getattr(model, name) for name in ("conv_block1", "conv_block2", "conv_block3", "classifier")}
    for block, layers in blocks.items():
        if block == "classifier":
            value = node("Flatten", [value], "features", axis=1)
        for index, layer in enumerate(layers):
            name = f"{block}.{index}"
            parameters = [constant(f"{name}.{key}", tensor) for key, tensor in layer.named_parameters()]
            if isinstance(layer, nn.Conv2d):
                assert isinstance(layer.padding, tuple)
                value = node("Conv", [value, *parameters], name, pads=[*layer.padding, *layer.padding])
            elif isinstance(layer, nn.BatchNorm2d):
                assert layer.running_mean is not None and layer.running_var is not None
                running = constant(f"{name}.mean", layer.running_mean), constant(f"{name}.var", layer.running_var)
                value = node("BatchNormalization", [value, *parameters, *running], name, epsilon=layer.eps)
            elif isinstance(layer, nn.MaxPool2d):
                assert isinstance(layer.kernel_size, int)
                sides = [layer.kernel_size] * 2
                value = node("MaxPool", [value], name, kernel_shape=sides, strides=sides)
            elif isinstance(layer, nn.Linear):
                value = node("Gemm", [value, *parameters], name, transB=1)
            elif isinstance(layer, nn.ReLU):
                value = node("Relu", [value], name)
            else:
                assert isinstance(layer, nn.Dropout), layer  # which does nothing in evaluation mode
    logits = node("Identity", [value], "logits")
    scaled = node("Div", [logits, constant("temperature", np.float32(temperature).reshape(1))], "scaled")
    node("Softmax", [scaled], "probabilities", axis=1)
    return nodes, weights

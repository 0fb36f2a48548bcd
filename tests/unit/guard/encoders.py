"""A small encoder for the tests, as such are published: it counts the words of attacks in a window."""

import json

import onnx
from onnx import TensorProto, helper
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "weather", "fine", "obey", "pirate"]
WEIGHTS = [0.0, 0.0, 0.0, 0.0, -1.0, -1.0, 4.0, 4.0]


def write_encoder(
    folder, *, length=16, labels=("SAFE", "INJECTION"), inputs=("input_ids", "attention_mask"), outputs=2
):
    """Logits 0 and -2 + the weights of the words, under the attention mask."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(
        json.dumps({"id2label": dict(enumerate(labels)), "max_position_embeddings": length})
    )
    onnx.save(make_graph(inputs, outputs), folder / "model.onnx")
    return folder


def make_graph(inputs, outputs):
    table = [number for weight in WEIGHTS for number in (0.0, weight, *[0.0] * (outputs - 2))][: len(WEIGHTS) * outputs]
    nodes = [
        helper.make_node("Gather", ["table", inputs[0]], ["weights"], axis=0),
        helper.make_node("Cast", [inputs[1]], ["seen"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["seen", "last"], ["mask"]),
        helper.make_node("Mul", ["weights", "mask"], ["counted"]),
        helper.make_node("ReduceSum", ["counted", "middle"], ["sums"], keepdims=0),
        helper.make_node("Add", ["sums", "bias"], ["logits"]),
    ]
    constants = [
        helper.make_tensor("table", TensorProto.FLOAT, [len(WEIGHTS), outputs], table),
        helper.make_tensor("bias", TensorProto.FLOAT, [outputs], [0.0, -2.0, *[0.0] * (outputs - 2)][:outputs]),
        helper.make_tensor("last", TensorProto.INT64, [1], [-1]),
        helper.make_tensor("middle", TensorProto.INT64, [1], [1]),
    ]
    graph = helper.make_graph(
        nodes,
        "counter",
        [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in inputs],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", outputs])],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)

"""The messages of the Open Inference Protocol over gRPC: in, a table of the published fields; out, a
class for each, made when it is first asked for.

They live in a pool of their own, so that a client's generated code of the same names may be loaded
beside them, and no generator's version has to fit the installed protobuf (decision 0036).
"""

import re
from functools import cache
from typing import Any

__all__ = ["SERVICE", "message_class", "messages"]

SERVICE = "inference.GRPCInferenceService"

# Message: type field = number; ... `map` has strings as keys, `choice` fields are one of each other.
MESSAGES = """
ServerLiveRequest:
ServerLiveResponse: bool live = 1
ServerReadyRequest:
ServerReadyResponse: bool ready = 1
ModelReadyRequest: string name = 1; string version = 2
ModelReadyResponse: bool ready = 1
ServerMetadataRequest:
ServerMetadataResponse: string name = 1; string version = 2; repeated string extensions = 3
ModelMetadataRequest: string name = 1; string version = 2
ModelMetadataResponse.TensorMetadata: string name = 1; string datatype = 2; repeated int64 shape = 3
ModelMetadataResponse: string name = 1; repeated string versions = 2; string platform = 3;\
 repeated ModelMetadataResponse.TensorMetadata inputs = 4;\
 repeated ModelMetadataResponse.TensorMetadata outputs = 5
InferParameter: choice bool bool_param = 1; choice int64 int64_param = 2; choice string string_param = 3;\
 choice double double_param = 4; choice uint64 uint64_param = 5
InferTensorContents: repeated bool bool_contents = 1; repeated int32 int_contents = 2;\
 repeated int64 int64_contents = 3; repeated uint32 uint_contents = 4; repeated uint64 uint64_contents = 5;\
 repeated float fp32_contents = 6; repeated double fp64_contents = 7; repeated bytes bytes_contents = 8
ModelInferRequest.InferInputTensor: string name = 1; string datatype = 2; repeated int64 shape = 3;\
 map InferParameter parameters = 4; InferTensorContents contents = 5
ModelInferRequest.InferRequestedOutputTensor: string name = 1; map InferParameter parameters = 2
ModelInferRequest: string model_name = 1; string model_version = 2; string id = 3;\
 map InferParameter parameters = 4; repeated ModelInferRequest.InferInputTensor inputs = 5;\
 repeated ModelInferRequest.InferRequestedOutputTensor outputs = 6; repeated bytes raw_input_contents = 7
ModelInferResponse.InferOutputTensor: string name = 1; string datatype = 2; repeated int64 shape = 3;\
 map InferParameter parameters = 4; InferTensorContents contents = 5
ModelInferResponse: string model_name = 1; string model_version = 2; string id = 3;\
 map InferParameter parameters = 4; repeated ModelInferResponse.InferOutputTensor outputs = 5;\
 repeated bytes raw_output_contents = 6
ModelStreamInferResponse: string error_message = 1; ModelInferResponse infer_response = 2
ModelConfigRequest: string name = 1; string version = 2
ModelVersionPolicy.Latest: uint32 num_versions = 1
ModelVersionPolicy: choice ModelVersionPolicy.Latest latest = 1
ModelInput: string name = 1; DataType data_type = 2; repeated int64 dims = 4
ModelOutput: string name = 1; DataType data_type = 2; repeated int64 dims = 3
ModelInstanceGroup: string name = 1; int32 count = 2; ModelInstanceGroup.Kind kind = 4
ModelDynamicBatching: uint64 max_queue_delay_microseconds = 2
ModelParameter: string string_value = 1
ModelConfig: string name = 1; string platform = 2; ModelVersionPolicy version_policy = 3;\
 int32 max_batch_size = 4; repeated ModelInput input = 5; repeated ModelOutput output = 6;\
 repeated ModelInstanceGroup instance_group = 7; choice ModelDynamicBatching dynamic_batching = 11;\
 map ModelParameter parameters = 14; string backend = 17
ModelConfigResponse: ModelConfig config = 1
ModelStatisticsRequest: string name = 1; string version = 2
StatisticDuration: uint64 count = 1; uint64 ns = 2
InferStatistics: StatisticDuration success = 1; StatisticDuration fail = 2; StatisticDuration queue = 3;\
 StatisticDuration compute_input = 4; StatisticDuration compute_infer = 5;\
 StatisticDuration compute_output = 6; StatisticDuration cache_hit = 7; StatisticDuration cache_miss = 8
InferBatchStatistics: uint64 batch_size = 1; StatisticDuration compute_input = 2;\
 StatisticDuration compute_infer = 3; StatisticDuration compute_output = 4
ModelStatistics: string name = 1; string version = 2; uint64 last_inference = 3; uint64 inference_count = 4;\
 uint64 execution_count = 5; InferStatistics inference_stats = 6;\
 repeated InferBatchStatistics batch_stats = 7
ModelStatisticsResponse: repeated ModelStatistics model_stats = 1
ModelRepositoryParameter: choice bool bool_param = 1; choice int64 int64_param = 2;\
 choice string string_param = 3; choice bytes bytes_param = 4
RepositoryIndexRequest: string repository_name = 1; bool ready = 2
RepositoryIndexResponse.ModelIndex: string name = 1; string version = 2; string state = 3; string reason = 4
RepositoryIndexResponse: repeated RepositoryIndexResponse.ModelIndex models = 1
RepositoryModelLoadRequest: string repository_name = 1; string model_name = 2;\
 map ModelRepositoryParameter parameters = 3
RepositoryModelLoadResponse:
RepositoryModelUnloadRequest: string repository_name = 1; string model_name = 2;\
 map ModelRepositoryParameter parameters = 3
RepositoryModelUnloadResponse:
"""
ENUMS = {
    "DataType": (
        *("TYPE_INVALID", "TYPE_BOOL", "TYPE_UINT8", "TYPE_UINT16", "TYPE_UINT32", "TYPE_UINT64"),
        *("TYPE_INT8", "TYPE_INT16", "TYPE_INT32", "TYPE_INT64", "TYPE_FP16", "TYPE_FP32", "TYPE_FP64"),
        *("TYPE_STRING", "TYPE_BF16"),
    ),
    "ModelInstanceGroup.Kind": ("KIND_AUTO", "KIND_GPU", "KIND_CPU", "KIND_MODEL"),
}
FIELD = re.compile(r"(repeated |map |choice |)([\w.]+) (\w+) = (\d+)")


@cache
def message_class(name: str) -> Any:
    """The class of a message of the table."""
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(make_pool().FindMessageTypeByName(f"inference.{name}"))


@cache
def make_pool() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool

    file = descriptor_pb2.FileDescriptorProto(
        name="netspec/inference.proto", package="inference", syntax="proto3"
    )
    made: dict[str, Any] = {}
    for name, fields in messages():
        add_fields(find_message(file, made, name), name, fields)
    for name, words in ENUMS.items():
        holder, _, last = name.rpartition(".")
        added = (made[holder] if holder else file).enum_type.add(name=last)
        for number, word in enumerate(words):
            added.value.add(name=word, number=number)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


def messages() -> list[tuple[str, list[tuple[str, str, str, str]]]]:
    """The table: each message with its fields as (label, type, name, number)."""
    lines = (line.partition(":") for line in MESSAGES.strip().splitlines())
    return [(name, FIELD.findall(fields)) for name, _, fields in lines]


def find_message(file: Any, made: dict[str, Any], name: str) -> Any:
    """The message of a name, inside the one that its name begins with."""
    if name not in made:
        holder, _, last = name.rpartition(".")
        if holder:
            made[name] = find_message(file, made, holder).nested_type.add(name=last)
        else:
            made[name] = file.message_type.add(name=name)
    return made[name]


def add_fields(message: Any, name: str, fields: list[tuple[str, str, str, str]]) -> None:
    for label, kind, field, number in fields:
        added = message.field.add(name=field, number=int(number))
        added.label = added.LABEL_REPEATED if label in ("repeated ", "map ") else added.LABEL_OPTIONAL
        if label == "map ":
            entry = f"{field.title().replace('_', '')}Entry"
            inner = message.nested_type.add(name=entry)
            inner.options.map_entry = True
            add_fields(inner, "", [("", "string", "key", "1"), ("", kind, "value", "2")])
            kind = f"{name}.{entry}"
        if label == "choice ":
            if not message.oneof_decl:
                message.oneof_decl.add(name="choice")
            added.oneof_index = 0
        set_type(added, kind)


def set_type(field: Any, kind: str) -> None:
    """A plain type by its name in protobuf; else a message or an enum of the table."""
    if kind[0].islower():
        field.type = getattr(field, f"TYPE_{kind.upper()}")
        return
    field.type = field.TYPE_ENUM if kind in ENUMS else field.TYPE_MESSAGE
    field.type_name = f".inference.{kind}"

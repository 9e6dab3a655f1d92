"""Inspect the graph of a SavedModel without loading it, since a loaded graph can run any code."""

from pathlib import Path

from google.protobuf.message import DecodeError
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from pipeline.task.errors import UserError

# Operations in the signatures of policies, for all heads, networks and options.
POLICY_OPERATIONS = frozenset(
    """
    AddV2 All Any ArgMax Assert BiasAdd BroadcastTo Cast ConcatV2 Const Elu EnsureShape
    Equal Erfc Exp Fill GatherV2 Greater GreaterEqual Identity IdentityN Less Log LogSoftmax
    LogicalOr MatMul Maximum Minimum Mul MulNoNan Neg NoOp OnesLike Pack Placeholder
    ReadVariableOp RealDiv Relu Reshape Select SelectV2 Shape Sigmoid Slice Softmax Softplus
    Split SplitV Sqrt Square SquaredDifference StatefulPartitionedCall
    StatelessRandomGetKeyCounter StatelessRandomNormalV2 StatelessRandomUniformV2
    StridedSlice Sub Sum Tanh Unpack VarHandleOp ZerosLike
    """.split()  # noqa: SIM905  # a list would take ten times the lines
)
# Further operations in the two functions with which TensorFlow's C++ loader saves and restores
# variables. They read and write files, so only the loader may call these functions.
SAVING_OPERATIONS = frozenset(
    """
    AssignVariableOp DisableCopyOnRead MergeV2Checkpoints RestoreV2 SaveV2 ShardedFilename
    StaticRegexFullMatch StringJoin
    """.split()  # noqa: SIM905  # a list would take ten times the lines
)
FUNCTION_ATTRIBUTES = frozenset({"_construction_context", "_input_shapes"})
OBJECTS = frozenset({"bare_concrete_function", "captured_tensor", "user_object", "variable"})
USER_OBJECTS = frozenset({"", "_generic_user_object", "signature_map", "trackable_list_wrapper"})


def require_policy_graph(folder: Path) -> None:
    """Check that a SavedModel contains only the operations of this project's policies.

    TensorFlow operations can read and write files and call Python. Some run as soon as the
    SavedModel is loaded.

    Raises:
        UserError: If the SavedModel holds other operations or objects.
        OSError: If it cannot be read.
        ValueError: If it is damaged.
    """
    try:
        model = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    except DecodeError as error:
        raise ValueError(str(error)) from error
    if len(model.meta_graphs) != 1 or not model.meta_graphs[0].HasField("object_graph_def"):
        raise ValueError("not a single TensorFlow 2 graph")
    if unexpected := sorted(_unexpected(model.meta_graphs[0])):
        raise UserError(
            f"{folder}: expected a SavedModel with only the operations of a policy, since others "
            f"could run any code, received {', '.join(map(repr, unexpected[:5]))}; if your own "
            "network layers need an operation, add it to POLICY_OPERATIONS in "
            "pipeline/evaluation/graphs.py; to play a policy that you trust, run `python -m "
            f"pipeline play {folder} --trust`"
        )


def _unexpected(graph: MetaGraphDef) -> set[str]:
    """Find what no policy contains: operations, function attributes, objects and calls."""
    functions, objects = graph.graph_def.library.function, graph.object_graph_def
    nodes = [*graph.graph_def.node, *(node for function in functions for node in function.node_def)]
    unexpected = {node.op for node in nodes} - POLICY_OPERATIONS - SAVING_OPERATIONS
    unexpected |= {name for function in functions for name in function.attr} - FUNCTION_ATTRIBUTES
    unexpected |= {str(node.WhichOneof("kind")) for node in objects.nodes} - OBJECTS
    unexpected |= {node.user_object.identifier for node in objects.nodes} - USER_OBJECTS
    unexpected |= {node.registered_name for node in objects.nodes} - {""}
    saving = {
        f.signature.name for f in functions if any(n.op in SAVING_OPERATIONS for n in f.node_def)
    }
    callers = [objects, *(f for f in functions if f.signature.name not in saving)]
    content = b"".join(caller.SerializeToString() for caller in callers)
    return unexpected | {f"calls of {name}" for name in saving if name.encode() in content}

"""The graph of a SavedModel, read without loading it: a loaded graph can do what a program can."""

from pathlib import Path

from google.protobuf.message import DecodeError
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from pipeline.task.errors import UserError

# The operations of the signatures of policies, with any head, network and options.
ACTING = frozenset(
    """
    AddV2 All Any ArgMax Assert BiasAdd BroadcastTo Cast ConcatV2 Const Elu EnsureShape
    Equal Erfc Exp Fill GatherV2 Greater GreaterEqual Identity IdentityN Less Log LogSoftmax
    LogicalOr MatMul Maximum Minimum Mul MulNoNan Neg NoOp OnesLike Pack Placeholder
    ReadVariableOp RealDiv Relu Reshape Select SelectV2 Shape Sigmoid Slice Softmax Softplus
    Split SplitV Sqrt Square SquaredDifference StatefulPartitionedCall
    StatelessRandomGetKeyCounter StatelessRandomNormalV2 StatelessRandomUniformV2
    StridedSlice Sub Sum Tanh Unpack VarHandleOp ZerosLike
    """.split()  # noqa: SIM905  # a tenth of the lines
)
# The other operations of the two functions by which TensorFlow's C++ loader saves and restores
# variables. They read and write files, so that nothing but that loader may call these functions.
SAVING = frozenset(
    """
    AssignVariableOp DisableCopyOnRead MergeV2Checkpoints RestoreV2 SaveV2 ShardedFilename
    StaticRegexFullMatch StringJoin
    """.split()  # noqa: SIM905  # a tenth of the lines
)
FUNCTION_ATTRIBUTES = frozenset({"_construction_context", "_input_shapes"})
OBJECTS = frozenset({"bare_concrete_function", "captured_tensor", "user_object", "variable"})
USER_OBJECTS = frozenset({"", "_generic_user_object", "signature_map", "trackable_list_wrapper"})


def require_policy_graph(folder: Path) -> None:
    """Make sure that a SavedModel computes with the operations of this project's policies only.

    Operations of TensorFlow can read and write files and call Python, and some run as soon as the
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
        raise ValueError("not one graph of TensorFlow 2")
    if others := sorted(_others(model.meta_graphs[0])):
        raise UserError(
            f"{folder}: expected a SavedModel with the operations of a policy, received one with "
            f"{', '.join(map(repr, others[:5]))}: such a one can do anything to this machine; "
            "`python -m pipeline play --trust` loads it all the same"
        )


def _others(graph: MetaGraphDef) -> set[str]:
    """Find what no policy holds: operations, attributes of functions, objects, and calls."""
    functions, objects = graph.graph_def.library.function, graph.object_graph_def
    nodes = [*graph.graph_def.node, *(node for function in functions for node in function.node_def)]
    others = {node.op for node in nodes} - ACTING - SAVING
    others |= {name for function in functions for name in function.attr} - FUNCTION_ATTRIBUTES
    others |= {str(node.WhichOneof("kind")) for node in objects.nodes} - OBJECTS
    others |= {node.user_object.identifier for node in objects.nodes} - USER_OBJECTS
    others |= {node.registered_name for node in objects.nodes} - {""}
    saving = {f.signature.name for f in functions if any(n.op in SAVING for n in f.node_def)}
    callers = [objects, *(f for f in functions if f.signature.name not in saving)]
    content = b"".join(caller.SerializeToString() for caller in callers)
    return others | {f"calls of {name}" for name in saving if name.encode() in content}

"""SavedModels that could do more than choose actions."""

import pytest
import tensorflow as tf
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from pipeline.evaluation.graphs import require_policy_graph
from pipeline.task.errors import UserError


def save(folder, also=tf.identity, **attributes):
    """Save a module that applies `also` to an observation before it returns an action."""
    module = tf.Module()
    module.scale = tf.Variable(1.0)
    for name, value in attributes.items():
        setattr(module, name, value)

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="observation")])
    def serve(observation):
        with tf.control_dependencies([also(observation)]):
            return {"action": tf.argmax(observation * module.scale, axis=-1)}

    tf.saved_model.save(module, str(folder), signatures=serve)


def write(_):
    return tf.io.write_file("written", "")


def write_and_return(_):
    write(0)
    return 0


def call_python(observation):
    return tf.py_function(lambda values: values, [observation], tf.float32)


def write_in_a_branch(observation):
    return tf.cond(observation[0, 0] > 0, lambda: write_and_return(0), lambda: 0)


def write_in_a_function(observation):
    return tf.function(write_and_return)(observation)


def write_a_checkpoint(observation):
    return tf.raw_ops.SaveV2(
        prefix="written", tensor_names=["x"], shape_and_slices=[""], tensors=[observation]
    )


def test_a_graph_that_only_computes_is_accepted(tmp_path):
    save(tmp_path)
    require_policy_graph(tmp_path)


@pytest.mark.parametrize(
    ("also", "operation"),
    [
        (write, "'WriteFile'"),
        (call_python, "'EagerPyFunc'"),
        (write_in_a_branch, "'WriteFile'"),
        (write_in_a_function, "'WriteFile'"),
        (write_a_checkpoint, "'calls of __inference_serve_"),
    ],
)
def test_other_operations_are_refused_wherever_they_are(also, operation, tmp_path):
    save(tmp_path, also)
    with pytest.raises(UserError, match=operation):
        require_policy_graph(tmp_path)


def test_operations_that_run_on_loading_are_refused(tmp_path):
    lines = tmp_path / "lines.txt"
    lines.write_text("a\n")
    whole = tf.lookup.TextFileIndex.WHOLE_LINE
    read = tf.lookup.TextFileInitializer(
        str(lines), tf.string, whole, tf.int64, tf.lookup.TextFileIndex.LINE_NUMBER
    )
    save(tmp_path / "policy", table=tf.lookup.StaticHashTable(read, 0))
    with pytest.raises(UserError, match="'InitializeTableFromTextFileV2', .*'asset'"):
        require_policy_graph(tmp_path / "policy")


@pytest.mark.parametrize("change", ["call", "rename", "swap"])
def test_only_the_loader_may_call_functions_that_save_variables(change, tmp_path):
    save(tmp_path)
    path = tmp_path / "saved_model.pb"
    model = SavedModel.FromString(path.read_bytes())
    functions = model.meta_graphs[0].graph_def.library.function
    (saving,) = [f for f in functions if "traced_save" in f.signature.name]
    (serving,) = [f for f in functions if f.signature.name.startswith("__inference_serve")]
    match change:
        case "call":  # instead of another function
            serving.node_def[0].attr["f"].func.name = saving.signature.name
        case "rename":  # functions take precedence over operations of the same name
            saving.signature.name = serving.node_def[0].op
        case "swap":  # TensorFlow swaps functions that claim to implement the same
            saving.attr["api_implements"].s = serving.attr["api_implements"].s = b"acting"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UserError, match="calls of|api_implements"):
        require_policy_graph(tmp_path)


def test_a_graph_of_another_kind_is_refused(tmp_path):
    save(tmp_path)
    path = tmp_path / "saved_model.pb"
    model = SavedModel.FromString(path.read_bytes())
    model.meta_graphs[0].ClearField("object_graph_def")  # then the loader would run its nodes
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ValueError, match="not a single TensorFlow 2 graph"):
        require_policy_graph(tmp_path)

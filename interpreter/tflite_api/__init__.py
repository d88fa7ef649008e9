"""The interface of tflite_runtime.interpreter and ai_edge_litert.interpreter: people migrate by changing an import."""

from subgraft.interpreter.tflite_api.delegate import Delegate, load_delegate
from subgraft.interpreter.tflite_api.interpreter import Interpreter
from subgraft.interpreter.tflite_api.resolver import OpResolverType
from subgraft.interpreter.tflite_api.signature import SignatureRunner

__all__ = ["Delegate", "Interpreter", "OpResolverType", "SignatureRunner", "load_delegate"]

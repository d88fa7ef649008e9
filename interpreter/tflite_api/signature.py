"""One signature of a model as a callable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from subgraft.delegates import Array

if TYPE_CHECKING:
    from subgraft.interpreter.tflite_api.interpreter import Interpreter


class SignatureRunner:
    """Runs a signature by the names it gives its inputs and outputs. Made by Interpreter.get_signature_runner()."""

    def __init__(self, interpreter: Interpreter | None = None, signature_key: str | None = None) -> None:
        if not interpreter:
            raise ValueError("None interpreter provided.")
        if not signature_key:
            raise ValueError("None signature_key provided.")
        signature = interpreter._signatures.get(signature_key)
        if signature is None:
            raise ValueError(f'Invalid signature_key provided: "{signature_key}".')
        self._interpreter = interpreter
        self._inputs = dict(signature.inputs)
        self._outputs = dict(signature.outputs)
        self._subgraph_index = signature.graph

    def __call__(self, **kwargs: Any) -> dict[str, Array]:
        """Resizes every input to its array's shape, runs, and returns copies of the outputs by name.

        Raises ValueError for names or dtypes that do not fit, RuntimeError when the model cannot run so.
        """
        if len(kwargs) != len(self._inputs):
            raise ValueError(
                "Invalid number of inputs provided for running a SignatureDef, "
                f"expected {len(self._inputs)} vs provided {len(kwargs)}"
            )
        for name in kwargs:
            if name not in self._inputs:
                raise ValueError(f"Invalid Input name ({name}) for SignatureDef")
        arrays = {self._inputs[name]: np.asarray(value) for name, value in kwargs.items()}
        slot = self._interpreter._slots[self._subgraph_index]
        slot.resize_all(arrays)
        engine = slot.allocate()
        for index, array in arrays.items():
            engine.set(index, array)
        slot.invoke()
        return {name: engine.get(index) for name, index in self._outputs.items()}

    def get_input_details(self) -> dict[str, dict[str, Any]]:
        """Tensor details by input name, as Interpreter.get_input_details() has them."""
        return {n: self._interpreter._get_tensor_details(i, self._subgraph_index) for n, i in self._inputs.items()}

    def get_output_details(self) -> dict[str, dict[str, Any]]:
        """Tensor details by output name."""
        return {n: self._interpreter._get_tensor_details(i, self._subgraph_index) for n, i in self._outputs.items()}

"""From NNAPI's operations to TFLite's ops: one entry per operation, data where names are all that differs.

MAPPING has all of them; convert() makes the graph of one case. An op of the mapping is also what an NNAPI delegate
may turn into that operation.
"""

from __future__ import annotations

import nnapi_tflite_elementwise as elementwise
import nnapi_tflite_recurrent as recurrent
import nnapi_tflite_rows as rows
import nnapi_tflite_shapes as shapes
import nnapi_tflite_windows as windows
from nnapi_cases import SpecCase
from nnapi_draft import Converted, Draft
from nnapi_mapping import Mapped
from nnapi_operations import bound

MAPPING: dict[str, Mapped] = {
    **elementwise.MAPPING,
    **recurrent.MAPPING,
    **rows.MAPPING,
    **shapes.MAPPING,
    **windows.MAPPING,
}


def convert(case: SpecCase) -> Converted:
    """Raises Inexpressible."""
    draft = Draft()
    results = MAPPING[case.operation].build(draft, bound(case.operation, case.inputs), case.outputs)
    return draft.converted(results)

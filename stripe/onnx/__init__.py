"""Find, record, freeze and fold the gates of an ONNX graph."""

from importlib.util import find_spec

from stripe.errors import StripeError

for _library in ("onnx", "onnxruntime"):
    if find_spec(_library) is None:
        raise StripeError(
            f"ONNX files need {_library}, which is not installed; install stripe-attention[onnx]"
        )

from stripe.onnx.find import find_gates as find_gates  # noqa: E402
from stripe.onnx.freeze import freeze as freeze  # noqa: E402
from stripe.onnx.network import OnnxNetwork as OnnxNetwork  # noqa: E402
from stripe.onnx.plan import FrozenGraph as FrozenGraph  # noqa: E402
from stripe.onnx.plan import plan as plan  # noqa: E402
from stripe.onnx.record import record as record  # noqa: E402
from stripe.onnx.sensitivity import sensitivity as sensitivity  # noqa: E402

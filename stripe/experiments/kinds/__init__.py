"""How the numbers of tables and figures come about: one kind per file."""

from stripe.experiments.kinds.accuracy import Accuracy as Accuracy
from stripe.experiments.kinds.cam import AverageCam as AverageCam
from stripe.experiments.kinds.constants import ConstantsAtInference as ConstantsAtInference
from stripe.experiments.kinds.gates import Gates as Gates
from stripe.experiments.kinds.spatial import SpatialMaps as SpatialMaps
from stripe.experiments.kinds.speed import Speed as Speed
from stripe.experiments.kinds.style import StylePictures as StylePictures
from stripe.experiments.kinds.tradeoff import Tradeoff as Tradeoff

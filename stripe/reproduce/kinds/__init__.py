"""How the numbers of tables and figures are measured: one kind per file."""

from stripe.reproduce.kinds.accuracy import Accuracy as Accuracy
from stripe.reproduce.kinds.cam import AverageCam as AverageCam
from stripe.reproduce.kinds.constants import ConstantsAtInference as ConstantsAtInference
from stripe.reproduce.kinds.depth import Depth as Depth
from stripe.reproduce.kinds.gates import GatePictures as GatePictures
from stripe.reproduce.kinds.growth import NoiseGrowth as NoiseGrowth
from stripe.reproduce.kinds.spatial import SpatialMaps as SpatialMaps
from stripe.reproduce.kinds.speed import Speed as Speed
from stripe.reproduce.kinds.style import StylePictures as StylePictures
from stripe.reproduce.kinds.tradeoff import Tradeoff as Tradeoff

"""Compute statistics of recordings, such as moments, stripe index and convergence.

Most functions return a table.
"""

from stripe.stats.class_information import class_information as class_information
from stripe.stats.comparison import compare as compare
from stripe.stats.difference import common_images as common_images
from stripe.stats.difference import convergence_epoch as convergence_epoch
from stripe.stats.difference import epoch_difference as epoch_difference
from stripe.stats.effective_rank import effective_rank as effective_rank
from stripe.stats.moments import Moments as Moments
from stripe.stats.moments import channel_moments as channel_moments
from stripe.stats.pool import processes as processes
from stripe.stats.saturation import saturation as saturation
from stripe.stats.share_interval import share_interval as share_interval
from stripe.stats.similarity import epoch_similarity as epoch_similarity
from stripe.stats.similarity import gate_similarity as gate_similarity
from stripe.stats.spatial_index import spatial_index as spatial_index
from stripe.stats.stripe_index import eta2_of as eta2_of
from stripe.stats.stripe_index import stripe_index as stripe_index
from stripe.stats.variance_components import variance_components as variance_components

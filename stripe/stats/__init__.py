"""Numbers from recordings: tables of moments, stripe index and convergence."""

from stripe.stats.difference import common_images as common_images
from stripe.stats.difference import convergence_epoch as convergence_epoch
from stripe.stats.difference import epoch_difference as epoch_difference
from stripe.stats.moments import Moments as Moments
from stripe.stats.moments import channel_moments as channel_moments
from stripe.stats.pool import processes as processes
from stripe.stats.spatial_index import spatial_index as spatial_index
from stripe.stats.stripe_index import eta2_of as eta2_of
from stripe.stats.stripe_index import stripe_index as stripe_index

"""Draw the paper's figures, and other figures of gates and networks.

Each plot takes a recording, a table or a result, and returns Axes. No plot shows or saves its
figure. Use `save_figure` to save it.
"""

from stripe.plots.ablation import ablation as ablation
from stripe.plots.batch_sensitivity import batch_sensitivity as batch_sensitivity
from stripe.plots.channel_std import channel_std as channel_std
from stripe.plots.class_information import class_information as class_information
from stripe.plots.compare import compare as compare
from stripe.plots.effective_rank import effective_rank as effective_rank
from stripe.plots.epoch_difference import epoch_difference as epoch_difference
from stripe.plots.epoch_similarity import epoch_similarity as epoch_similarity
from stripe.plots.freezing import freezing as freezing
from stripe.plots.gate_similarity import gate_similarity as gate_similarity
from stripe.plots.gate_spread import gate_spread as gate_spread
from stripe.plots.mean_cam import mean_cam as mean_cam
from stripe.plots.noise_bound import noise_bound as noise_bound
from stripe.plots.noise_robustness import noise_robustness as noise_robustness
from stripe.plots.overview import overview as overview
from stripe.plots.paper import paper_style as paper_style
from stripe.plots.paper import save_figure as save_figure
from stripe.plots.reproduction import reproduction as reproduction
from stripe.plots.saturation import saturation as saturation
from stripe.plots.sensitivity import sensitivity as sensitivity
from stripe.plots.spatial_attention import spatial_attention as spatial_attention
from stripe.plots.stripes import stripes as stripes
from stripe.plots.style_grid import style_grid as style_grid
from stripe.plots.tradeoff import tradeoff as tradeoff
from stripe.plots.variance_components import variance_components as variance_components

"""Grad-CAM maps per image, and their average."""

from stripe.gradcam.mean import MeanCam as MeanCam
from stripe.gradcam.mean import central_share as central_share
from stripe.gradcam.mean import mean_cam as mean_cam

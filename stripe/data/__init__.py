"""Data sets, and loaders that deliver batches on the device."""

from stripe.data.device_loader import DeviceLoader as DeviceLoader
from stripe.data.folder import image_folder as image_folder
from stripe.data.image_set import ImageSet as ImageSet
from stripe.data.recorded import recorded_images as recorded_images
from stripe.data.registry import list_datasets as list_datasets
from stripe.data.registry import load_dataset as load_dataset
from stripe.data.stream import StreamLoader as StreamLoader
from stripe.defaults import DATA_ROOT as DATA_ROOT

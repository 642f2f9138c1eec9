from histoseg.weights import hovernet as hovernet
from histoseg.weights.files import read_checkpoint as read_checkpoint
from histoseg.weights.hovernet_layout import HoVerNetLayout as HoVerNetLayout

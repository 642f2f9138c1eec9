from histoseg.networks.encoder import TimmEncoder as TimmEncoder
from histoseg.networks.hovernet import HoVerNet as HoVerNet

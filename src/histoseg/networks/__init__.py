from histoseg.networks.encoder import TimmEncoder as TimmEncoder
from histoseg.networks.folding import fold_batch_norms as fold_batch_norms
from histoseg.networks.hovernet import HoVerNet as HoVerNet

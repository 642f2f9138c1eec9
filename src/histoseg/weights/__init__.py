from histoseg.ops.weight_files import read_checkpoint as read_checkpoint
from histoseg.weights import cyclegan as cyclegan
from histoseg.weights import deepliif as deepliif
from histoseg.weights import hovernet as hovernet
from histoseg.weights import impartial as impartial
from histoseg.weights import pixelshuffle_unet as pixelshuffle_unet

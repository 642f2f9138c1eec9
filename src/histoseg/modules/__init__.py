"""The models: what is trained, validated and run."""

from histoseg.modules.cyclegan import CycleGAN as CycleGAN
from histoseg.modules.deepliif import DeepLIIF as DeepLIIF
from histoseg.modules.ensemble import Ensemble as Ensemble
from histoseg.modules.hovernet import HoVerNet as HoVerNet
from histoseg.modules.ihc_generator import IHCGenerator as IHCGenerator
from histoseg.modules.impartial import ImPartial as ImPartial
from histoseg.modules.pipeline import Pipeline as Pipeline
from histoseg.modules.pix2pix import Pix2Pix as Pix2Pix
from histoseg.modules.pixelshuffle_unet import PixelShuffleUNet as PixelShuffleUNet
from histoseg.modules.schedules import LinearDecay as LinearDecay
from histoseg.modules.schedules import OneCycle as OneCycle

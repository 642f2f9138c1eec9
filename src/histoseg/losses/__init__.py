from histoseg.losses.cross_entropy import cross_entropy as cross_entropy
from histoseg.losses.dice import dice as dice
from histoseg.losses.focal import focal as focal
from histoseg.losses.gradient import hv_mse as hv_mse
from histoseg.losses.gradient import msge as msge
from histoseg.losses.tversky import tversky as tversky
from histoseg.losses.unified_focal import unified_focal as unified_focal

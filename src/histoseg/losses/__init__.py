from histoseg.losses.cross_entropy import cross_entropy as cross_entropy
from histoseg.losses.dice import dice as dice
from histoseg.losses.gradient import hv_mse as hv_mse
from histoseg.losses.gradient import msge as msge

"""The models: what is trained, validated and run."""

from histoseg.modules.hovernet import HoVerNet as HoVerNet
from histoseg.modules.schedules import LinearDecay as LinearDecay

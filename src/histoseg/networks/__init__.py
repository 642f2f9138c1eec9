from histoseg.networks.hovernet import HoVerNet as HoVerNet

from histoseg.networks.blocks.dense import DenseBlock as DenseBlock
from histoseg.networks.blocks.frozen import FreezableEncoder as FreezableEncoder
from histoseg.networks.blocks.preact_resnet import PreactResNet as PreactResNet

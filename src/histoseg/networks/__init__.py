from histoseg.networks.attention_unet import AttentionUNet as AttentionUNet
from histoseg.networks.hovernet import HoVerNet as HoVerNet
from histoseg.networks.patchgan import PatchGAN as PatchGAN
from histoseg.networks.patchgan import PixelGAN as PixelGAN
from histoseg.networks.resnet_generator import ResnetGenerator as ResnetGenerator
from histoseg.networks.unet_generator import UNetGenerator as UNetGenerator
from histoseg.networks.vgg import VGG19Features as VGG19Features

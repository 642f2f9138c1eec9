from histoseg.postprocess.hover import HoverWatershed as HoverWatershed

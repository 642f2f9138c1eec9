"""What the verbs do: configurations in, runs and results out."""

from omegaconf import OmegaConf

# ${histoseg.length:${data.classes}}: a fact that is the length of another stands once
OmegaConf.register_new_resolver("histoseg.length", len, replace=True)

"""Where parameters live and come from: saved models, pretrained encoders, initial parameters."""

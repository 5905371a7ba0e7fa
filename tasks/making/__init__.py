"""How each stage is made: plain functions from upstream files to this stage's files. One file a family of stages."""

"""Pictures of estimates: the memory of GPUs as stacked bars, and heatmaps of what fits."""

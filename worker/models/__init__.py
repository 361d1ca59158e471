"""ResNeSt in torch, its weights, and what is known of each variant."""

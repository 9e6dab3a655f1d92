"""The training program on a GPU: exported here, run there by jaxlib alone."""

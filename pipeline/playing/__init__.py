"""Single environments: making, playing, rendering, recording and replaying them."""

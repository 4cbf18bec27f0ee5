"""From text to a model directory."""

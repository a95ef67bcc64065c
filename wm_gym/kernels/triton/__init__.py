"""The Triton twins. Only a launch on a CUDA tensor, or Triton's interpreter, imports them."""

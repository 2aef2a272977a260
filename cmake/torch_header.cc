// Owns the precompiled <torch/torch.h>; see targets.cmake.

// The one source of the targets that own precompiled headers; see targets.cmake.

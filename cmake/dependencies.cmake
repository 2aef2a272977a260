# Third-party packages, all from Debian 12 except LibTorch (the pinned wheel that ./cohort unpacks).
find_package(Threads REQUIRED)
# Debian ships no CMake config for Protobuf: module mode first, then gRPC's config finds it.
find_package(Protobuf REQUIRED)
find_package(gRPC CONFIG REQUIRED)
find_package(Boost 1.81 REQUIRED)
find_package(OpenSSL REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(spdlog REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(GTest REQUIRED)
find_library(PCRE2_LIBRARY pcre2-8 REQUIRED)
find_library(ONIG_LIBRARY onig REQUIRED)
find_library(FLINT_LIBRARY flint REQUIRED)
find_library(ARB_LIBRARY flint-arb REQUIRED)
find_library(GMP_LIBRARY gmp REQUIRED)  # big integers of templates; inlined by the headers of FLINT, which depends on it
find_library(UTF8PROC_LIBRARY utf8proc REQUIRED)
find_library(XXHASH_LIBRARY xxhash REQUIRED)
find_library(ZSTD_LIBRARY zstd REQUIRED)
find_library(SECCOMP_LIBRARY seccomp REQUIRED)
find_program(PROTOC protoc REQUIRED)
find_program(GRPC_CPP_PLUGIN grpc_cpp_plugin REQUIRED)

if(NOT EXISTS ${COHORT_TORCH_ROOT}/torch/lib/libtorch_cpu.so)
  message(FATAL_ERROR "COHORT_TORCH_ROOT='${COHORT_TORCH_ROOT}' holds no torch/lib/libtorch_cpu.so; run ./cohort setup")
endif()
add_library(torch_cpu INTERFACE)
# -idirafter: the wheel carries an old google/protobuf; the system's must win.
target_compile_options(torch_cpu INTERFACE
  "SHELL:-idirafter ${COHORT_TORCH_ROOT}/torch/include"
  "SHELL:-idirafter ${COHORT_TORCH_ROOT}/torch/include/torch/csrc/api/include")
# <ATen/ops/NAME.h> of what a file uses, not <ATen/ATen.h>.
target_compile_definitions(torch_cpu INTERFACE AT_PER_OPERATOR_HEADERS)
target_link_options(torch_cpu INTERFACE
  -Wl,-rpath,${COHORT_TORCH_ROOT}/torch/lib
  -Wl,-rpath-link,${COHORT_TORCH_ROOT}/nvidia/cu13/lib)
target_link_libraries(torch_cpu INTERFACE
  ${COHORT_TORCH_ROOT}/torch/lib/libtorch_cpu.so
  ${COHORT_TORCH_ROOT}/torch/lib/libc10.so
  # PyTorch's threads and ours share one OpenMP runtime: the wheel's.
  ${COHORT_TORCH_ROOT}/torch/lib/libgomp.so.1)

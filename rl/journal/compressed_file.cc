#include "rl/journal/compressed_file.h"

#include <fstream>

#include "base/error.h"

namespace cohort::rl {
namespace {

constexpr int kLevel = 1;  // on ids and logprobs faster than the default, 3, and no larger

[[noreturn]] void ThrowDamaged(const std::filesystem::path& path, const std::string& reason) {
  throw Error(ErrorCode::kEnvironment, path.string() + " is damaged: " + reason,
              "put the file back, if there is a copy of it");
}

// Collects pieces of text into lines.
class LineReader {
 public:
  LineReader(const std::filesystem::path& path,
             const std::function<void(std::string_view, int)>& line)
      : path_(path), line_(line) {}

  void Add(std::string_view text) {
    for (size_t end; (end = text.find('\n')) != std::string_view::npos;) {
      rest_ += text.substr(0, end);
      End();
      text.remove_prefix(end + 1);
    }
    rest_ += text;
  }
  void End() {
    ++number_;
    try {
      if (!rest_.empty()) line_(rest_, number_);
    } catch (const Error& error) {
      throw Error(error.code(),
                  path_.string() + ":" + std::to_string(number_) + ": " + error.what(),
                  error.hint());
    }
    rest_.clear();
  }

 private:
  const std::filesystem::path& path_;
  const std::function<void(std::string_view, int)>& line_;
  std::string rest_;
  int number_ = 0;
};

}  // namespace

CompressedFile::CompressedFile(const std::filesystem::path& path)
    : file_(path), context_(ZSTD_createCCtx(), &ZSTD_freeCCtx), buffer_(ZSTD_CStreamOutSize(), 0) {
  ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, kLevel);
  ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
}

void CompressedFile::Write(std::string_view text) { Compress(text, ZSTD_e_continue); }

uint64_t CompressedFile::Commit() {
  Compress({}, ZSTD_e_end);
  file_.Commit();
  return bytes_;
}

void CompressedFile::Compress(std::string_view text, ZSTD_EndDirective directive) {
  ZSTD_inBuffer in{text.data(), text.size(), 0};
  size_t left = 0;
  do {
    ZSTD_outBuffer out{buffer_.data(), buffer_.size(), 0};
    left = ZSTD_compressStream2(context_.get(), &out, &in, directive);
    COHORT_CHECK(ZSTD_isError(left) == 0, ZSTD_getErrorName(left));
    file_.Write(std::string_view(buffer_).substr(0, out.pos));
    bytes_ += out.pos;
  } while (in.pos < in.size || (directive == ZSTD_e_end && left != 0));
}

void ForEachCompressedLine(const std::filesystem::path& path,
                           const std::function<void(std::string_view line, int number)>& line) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorCode::kEnvironment, "cannot read " + path.string());
  const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context(ZSTD_createDCtx(),
                                                                   &ZSTD_freeDCtx);
  std::string compressed(ZSTD_DStreamInSize(), 0), text(ZSTD_DStreamOutSize(), 0);
  LineReader lines(path, line);
  size_t expected = 1;  // 0 where a frame has ended, with the checksum that it carries
  while (file) {
    file.read(compressed.data(), static_cast<std::streamsize>(compressed.size()));
    ZSTD_inBuffer in{compressed.data(), static_cast<size_t>(file.gcount()), 0};
    while (in.pos < in.size) {
      ZSTD_outBuffer out{text.data(), text.size(), 0};
      expected = ZSTD_decompressStream(context.get(), &out, &in);
      if (ZSTD_isError(expected)) ThrowDamaged(path, ZSTD_getErrorName(expected));
      lines.Add(std::string_view(text).substr(0, out.pos));
    }
  }
  if (!file.eof()) throw Error(ErrorCode::kEnvironment, "cannot read " + path.string());
  if (expected != 0) ThrowDamaged(path, "its end is missing");
  lines.End();
}

}  // namespace cohort::rl

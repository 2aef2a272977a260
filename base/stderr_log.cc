#include "base/stderr_log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "base/printable_text.h"

namespace cohort::base {
namespace {

class PrintableFormatter : public spdlog::formatter {
 public:
  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& out) override {
    spdlog::memory_buf_t line;
    pattern_.format(message, line);
    const std::string printable = PrintableText({line.data(), line.size()});
    out.append(printable.data(), printable.data() + printable.size());
  }
  std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<PrintableFormatter>();
  }

 private:
  spdlog::pattern_formatter pattern_;  // spdlog's own pattern, with the line's end
};

}  // namespace

void LogToStderr(const std::string& program) {
  auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  auto logger = std::make_shared<spdlog::logger>(program, std::move(sink));
  logger->set_formatter(std::make_unique<PrintableFormatter>());
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace cohort::base

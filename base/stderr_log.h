#pragma once

#include <string>

namespace cohort::base {

// The program's log goes to stderr under its name, as PrintableText of base/printable_text.h:
// messages of services and peers are part of it. Call at the start of main, and again
// after KeepConsole (base/console_log.h), which makes stderr another stream.
void LogToStderr(const std::string& program);

}  // namespace cohort::base

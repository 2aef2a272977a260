#pragma once

#include <string>
#include <string_view>

namespace cohort::reward {

// A reference resolved against a base URI (RFC 3986, section 5.2), its fragment left off.
std::string ResolveUri(std::string_view base, std::string_view reference);

// The text behind '#', its %-escapes decoded; "" where there is none.
std::string FragmentOf(std::string_view reference);

}  // namespace cohort::reward

#pragma once

#include "base/temporary_folder.h"

namespace cohort::rl {

using base::TemporaryFolder;

}  // namespace cohort::rl

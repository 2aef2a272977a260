#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "policy/transformer.h"
#include "tests/policy/family_golden.h"

namespace cohort::policy {

// Gradients that `policy` holds against `gradients`: of every parameter the norm and projections on
// random signs. A difference d moves those by about |d|.
inline void ExpectGradients(Transformer& policy, const nlohmann::json& gradients) {
  EXPECT_EQ(policy->named_parameters().size(), gradients.size());
  for (const auto& item : policy->named_parameters()) {
    ASSERT_TRUE(gradients.contains(item.key())) << item.key();
    const auto expected = gradients.at(item.key()).get<std::vector<double>>();
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    const at::Tensor gradient = item.value().grad().to(at::kDouble);
    const double norm = expected[0];
    EXPECT_NEAR(gradient.norm().item<double>(), norm, 1e-4 * norm) << item.key();
    for (size_t j = 1; j < expected.size(); ++j) {
      const at::Tensor drawn =
          DrawFromName(item.key() + "#" + std::to_string(j - 1), gradient.sizes().vec());
      const at::Tensor signs = drawn.ge(0).to(at::kDouble) * 2 - 1;
      EXPECT_NEAR((signs * gradient).sum().item<double>(), expected[j], 1e-4 * norm)
          << item.key() << " projection " << j;
    }
  }
}

}  // namespace cohort::policy

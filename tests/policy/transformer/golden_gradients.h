#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "policy/transformer/transformer.h"
#include "tests/policy/family_golden.h"

namespace cohort::policy {

// A gradient against its norm and its projections on random signs that the name gives. A difference
// d moves those by about |d|.
inline void ExpectGradient(const std::string& name, const at::Tensor& found,
                           const nlohmann::json& norm_and_projections) {
  const auto expected = norm_and_projections.get<std::vector<double>>();
  const at::Tensor gradient = found.to(at::kDouble);
  const double norm = expected[0];
  EXPECT_NEAR(gradient.norm().item<double>(), norm, 1e-4 * norm) << name;
  for (size_t j = 1; j < expected.size(); ++j) {
    const at::Tensor drawn =
        DrawFromName(name + "#" + std::to_string(j - 1), gradient.sizes().vec());
    const at::Tensor signs = drawn.ge(0).to(at::kDouble) * 2 - 1;
    EXPECT_NEAR((signs * gradient).sum().item<double>(), expected[j], 1e-4 * norm)
        << name << " projection " << j;
  }
}

// The gradients that `policy` holds, one of every parameter.
inline void ExpectGradients(Transformer& policy, const nlohmann::json& gradients) {
  EXPECT_EQ(policy->named_parameters().size(), gradients.size());
  for (const auto& item : policy->named_parameters()) {
    ASSERT_TRUE(gradients.contains(item.key())) << item.key();
    ASSERT_TRUE(item.value().grad().defined()) << item.key();
    ExpectGradient(item.key(), item.value().grad(), gradients.at(item.key()));
  }
}

}  // namespace cohort::policy

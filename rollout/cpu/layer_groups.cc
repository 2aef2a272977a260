#include "rollout/cpu/layer_groups.h"

#include <map>
#include <numeric>

namespace cohort::rollout {

namespace {

std::vector<int64_t> WindowsOf(const policy::ModelConfig& config) {
  std::vector<int64_t> windows;
  for (int64_t layer = 0; layer < config.num_layers; ++layer) {
    if (config.linear.Has(layer)) continue;
    const int64_t window = config.attention.WindowOf(layer);
    windows.push_back(window < config.max_positions ? window : 0);
  }
  return windows;
}

}  // namespace

LayerGroups::LayerGroups(const policy::ModelConfig& config) : LayerGroups(WindowsOf(config)) {
  for (const int64_t layer : config.linear.layers) places.insert(places.begin() + layer, kNowhere);
}

LayerGroups::LayerGroups(std::span<const int64_t> windows_of_layers) {
  std::map<int64_t, int64_t> layers;  // how many have a window
  for (const int64_t window : windows_of_layers) ++layers[window];
  for (const auto& [window, count] : layers) group_layers = std::gcd(group_layers, count);
  std::map<int64_t, Place> next;
  for (const auto& [window, count] : layers) {
    next[window] = {std::ssize(windows), 0};
    windows.insert(windows.end(), static_cast<size_t>(count / group_layers), window);
  }
  for (const int64_t window : windows_of_layers) {
    Place& place = next[window];
    places.push_back(place);
    if (++place.index == group_layers) place = {place.group + 1, 0};
  }
}

}  // namespace cohort::rollout

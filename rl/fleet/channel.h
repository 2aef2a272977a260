#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <string>

namespace cohort::rl {

// A connection of its own (never shared with another channel to the same address), with cohort's
// keepalive; it reconnects within a second of the peer's return.
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address);

// The peer behind `address` runs on this machine: a Unix socket or a loopback address.
bool IsThisHost(const std::string& address);

}  // namespace cohort::rl

#pragma once

#include <grpcpp/channel.h>

#include <filesystem>
#include <memory>
#include <string>

namespace cohort::rl {

// A connection of its own (never shared with another channel to the same address), with cohort's
// keepalive; it reconnects within a second of the peer's return. Its calls show the token of
// `token_file`, or of the default place (base/rpc_token.h).
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address,
                                           const std::filesystem::path& token_file = {});

// The peer behind `address` runs on this machine: a Unix socket or a loopback address.
bool IsThisHost(const std::string& address);

}  // namespace cohort::rl

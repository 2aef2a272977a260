#pragma once

// An OpenAI-compatible endpoint that says what a test wants it to say.

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace cohort::base {

// Answers one connection after the other on loopback with the replies it is given, then closes.
class FakeEndpoint {
 public:
  explicit FakeEndpoint(std::vector<std::pair<int, std::string>> replies)
      : acceptor_(context_, {boost::asio::ip::address_v4::loopback(), 0}),
        thread_([this, replies] { Serve(replies); }) {}
  ~FakeEndpoint() {
    boost::system::error_code ignored;
    boost::asio::ip::tcp::socket wake(context_);  // where accept() still waits
    wake.connect(acceptor_.local_endpoint(), ignored);
    wake.close();
    thread_.join();
  }
  std::string url() const {
    return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()) + "/v1";
  }
  const std::vector<boost::beast::http::request<boost::beast::http::string_body>>& requests()
      const {
    return requests_;
  }

 private:
  void Serve(const std::vector<std::pair<int, std::string>>& replies) {
    for (const auto& [status, body] : replies) {
      boost::system::error_code failed;
      boost::asio::ip::tcp::socket socket = acceptor_.accept(failed);
      boost::beast::flat_buffer buffer;
      boost::beast::http::request<boost::beast::http::string_body> request;
      boost::beast::http::read(socket, buffer, request, failed);
      if (failed) return;
      requests_.push_back(std::move(request));
      boost::beast::http::response<boost::beast::http::string_body> reply(
          static_cast<boost::beast::http::status>(status), 11, body);
      reply.prepare_payload();
      boost::beast::http::write(socket, reply, failed);
    }
  }

  boost::asio::io_context context_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::vector<boost::beast::http::request<boost::beast::http::string_body>> requests_;
  std::thread thread_;
};

// The reply of a model that says `content`.
inline std::pair<int, std::string> Says(const std::string& content) {
  const nlohmann::json message = {{"role", "assistant"}, {"content", content}};
  return {200, nlohmann::json{{"choices", {{{"message", message}}}}}.dump()};
}

}  // namespace cohort::base

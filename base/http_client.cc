#include "base/http_client.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <optional>

#include "base/error.h"

namespace cohort::base {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;

constexpr uint64_t kMaxReplyBytes = uint64_t{4} << 20;

using Request = http::request<http::string_body>;

template <class Stream>
asio::awaitable<HttpReply> Exchange(Stream& stream, const Request& request) {
  co_await http::async_write(stream, request, asio::use_awaitable);
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(kMaxReplyBytes);
  co_await http::async_read(stream, buffer, parser, asio::use_awaitable);
  co_return HttpReply{static_cast<int>(parser.get().result_int()), parser.get().body()};
}

asio::awaitable<HttpReply> Post(const Url& url, const Request& request,
                                std::chrono::milliseconds deadline) {
  const auto executor = co_await asio::this_coro::executor;
  asio::ip::tcp::resolver resolver(executor);
  const auto addresses = co_await resolver.async_resolve(url.host, url.port, asio::use_awaitable);
  if (!url.tls) {
    beast::tcp_stream stream(executor);
    stream.expires_after(deadline);
    co_await stream.async_connect(addresses, asio::use_awaitable);
    co_return co_await Exchange(stream, request);
  }
  asio::ssl::context context(asio::ssl::context::tls_client);
  context.set_default_verify_paths();
  context.set_verify_mode(asio::ssl::verify_peer);
  beast::ssl_stream<beast::tcp_stream> stream(executor, context);
  stream.set_verify_callback(asio::ssl::host_name_verification(url.host));
  SSL_set_tlsext_host_name(stream.native_handle(), url.host.c_str());
  beast::get_lowest_layer(stream).expires_after(deadline);
  co_await beast::get_lowest_layer(stream).async_connect(addresses, asio::use_awaitable);
  co_await stream.async_handshake(asio::ssl::stream_base::client, asio::use_awaitable);
  co_return co_await Exchange(stream, request);
}

[[noreturn]] void RefuseUrl(const std::string& text) {
  throw Error(ErrorCode::kUsage, "'" + text + "' is not a URL such as http://127.0.0.1:8000/v1");
}

}  // namespace

Url ParseUrl(const std::string& text) {
  Url url;
  std::string_view rest = text;
  if (rest.starts_with("https://")) {
    url.tls = true;
    rest.remove_prefix(8);
  } else if (rest.starts_with("http://")) {
    rest.remove_prefix(7);
  } else {
    RefuseUrl(text);
  }
  if (rest.find_first_of(" \t\r\n@?#") != std::string_view::npos) RefuseUrl(text);
  const size_t slash = std::min(rest.find('/'), rest.size());
  std::string_view authority = rest.substr(0, slash);
  url.path = slash < rest.size() ? std::string(rest.substr(slash)) : "/";
  const size_t bracket = authority.rfind(']');  // of an IPv6 address
  const size_t colon = authority.rfind(':');
  const bool has_port =
      colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
  url.port = has_port ? std::string(authority.substr(colon + 1)) : url.tls ? "443" : "80";
  url.host = has_port ? authority.substr(0, colon) : authority;
  if (url.host.starts_with('[') && url.host.ends_with(']')) {
    url.host = url.host.substr(1, url.host.size() - 2);
  }
  const bool digits = !url.port.empty() && url.port.size() <= 5 &&
                      url.port.find_first_not_of("0123456789") == std::string::npos;
  if (url.host.empty() || !digits) RefuseUrl(text);
  return url;
}

HttpReply PostJson(const Url& url, const std::string& body,
                   const std::map<std::string, std::string>& headers,
                   std::chrono::milliseconds deadline) {
  Request request(http::verb::post, url.path, 11);
  request.set(http::field::host, url.host + ":" + url.port);
  request.set(http::field::content_type, "application/json");
  request.set(http::field::connection, "close");
  for (const auto& [name, value] : headers) request.set(name, value);
  request.body() = body;
  request.prepare_payload();
  asio::io_context context;
  std::optional<HttpReply> reply;
  std::string fault = "no reply within " + std::to_string(deadline.count()) + " ms";
  asio::co_spawn(context, Post(url, request, deadline),
                 [&](const std::exception_ptr& error, HttpReply found) {
                   if (error == nullptr) {
                     reply = std::move(found);
                     return;
                   }
                   try {
                     std::rethrow_exception(error);
                   } catch (const boost::system::system_error& failed) {
                     if (failed.code() != beast::error::timeout) fault = failed.code().message();
                   }
                 });
  context.run_for(deadline);
  if (reply.has_value()) return *std::move(reply);
  throw Error(ErrorCode::kUnavailable, url.host + ":" + url.port + url.path + ": " + fault);
}

}  // namespace cohort::base

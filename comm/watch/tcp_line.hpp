// Lines of text over a TCP connection that never blocks the caller for long.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace forerun {

/// An owned socket; -1 is none.
class Socket {
 public:
  Socket() = default;

  explicit Socket(int file) : file_(file) {}

  Socket(Socket&& other) noexcept;
  Socket& operator=(Socket&& other) noexcept;
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket();

  [[nodiscard]] int file() const { return file_; }

 private:
  int file_ = -1;
};

/// A listening socket on all interfaces, and its port. Throws std::runtime_error.
struct Listener {
  Socket socket;
  std::uint16_t port = 0;
};

[[nodiscard]] Listener listen_anywhere();

/// This node's IPv4 addresses, loopback last.
[[nodiscard]] std::vector<std::string> own_addresses();

/// A connection, or nothing when none comes about within two seconds.
[[nodiscard]] std::optional<Socket> connect_to(const std::string& address, std::uint16_t port);

/// The next connection that waits; nothing when none does.
[[nodiscard]] std::optional<Socket> accepted_by(const Socket& listener);

/// Reads and writes whole lines without waiting.
class LineStream {
 public:
  LineStream() = default;

  explicit LineStream(Socket socket) : socket_(std::move(socket)) {}

  /// What has arrived in whole lines; sets `is_closed` when the other side is gone.
  [[nodiscard]] std::vector<std::string> lines();
  /// Best effort: what the connection does not take now is dropped.
  void send(const std::string& line);

  [[nodiscard]] bool is_closed() const { return is_closed_; }

  [[nodiscard]] int file() const { return socket_.file(); }

 private:
  Socket socket_;
  std::string rest_;
  bool is_closed_ = false;
};

}  // namespace forerun

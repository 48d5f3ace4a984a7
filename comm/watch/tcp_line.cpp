#include "comm/watch/tcp_line.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include <arpa/inet.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace forerun {
namespace {

// Longer than a round trip on any cluster.
constexpr int connect_patience_ms = 2000;

void make_non_blocking(int file) {
  ::fcntl(file, F_SETFL, ::fcntl(file, F_GETFL) | O_NONBLOCK);  // NOLINT: fcntl is variadic
}

sockaddr* generic(sockaddr_in& address) {
  return reinterpret_cast<sockaddr*>(&address);
}

}  // namespace

Socket::Socket(Socket&& other) noexcept : file_(std::exchange(other.file_, -1)) {}

Socket& Socket::operator=(Socket&& other) noexcept {
  std::swap(file_, other.file_);
  return *this;
}

Socket::~Socket() {
  if (file_ >= 0) {
    ::close(file_);
  }
}

Listener listen_anywhere() {
  Listener listener;
  listener.socket = Socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  socklen_t length = sizeof(address);
  constexpr int backlog = 4096;
  const int file = listener.socket.file();
  if (file < 0 || ::bind(file, generic(address), length) != 0 || ::listen(file, backlog) != 0 ||
      ::getsockname(file, generic(address), &length) != 0) {
    throw std::runtime_error(std::string("cannot listen for the other ranks: ") +
                             std::strerror(errno));
  }
  make_non_blocking(file);
  listener.port = ntohs(address.sin_port);
  return listener;
}

std::vector<std::string> own_addresses() {
  std::vector<std::string> addresses;
  std::vector<std::string> loopback;
  ifaddrs* list = nullptr;
  if (::getifaddrs(&list) != 0) {
    return {"127.0.0.1"};
  }
  for (const ifaddrs* one = list; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || one->ifa_addr->sa_family != AF_INET) {
      continue;
    }
    sockaddr_in address{};
    std::memcpy(&address, one->ifa_addr, sizeof(address));
    std::array<char, INET_ADDRSTRLEN> text{};
    if (::inet_ntop(AF_INET, &address.sin_addr, text.data(), text.size()) != nullptr) {
      const bool is_loopback = std::string(text.data()).starts_with("127.");
      (is_loopback ? loopback : addresses).emplace_back(text.data());
    }
  }
  ::freeifaddrs(list);
  addresses.insert(addresses.end(), loopback.begin(), loopback.end());
  return addresses;
}

std::optional<Socket> connect_to(const std::string& address, std::uint16_t port) {
  Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  if (socket.file() < 0 || ::inet_pton(AF_INET, address.c_str(), &to.sin_addr) != 1) {
    return std::nullopt;
  }
  make_non_blocking(socket.file());
  if (::connect(socket.file(), generic(to), sizeof(to)) != 0 && errno != EINPROGRESS) {
    return std::nullopt;
  }
  pollfd waiting{socket.file(), POLLOUT, 0};
  int error = 0;
  socklen_t length = sizeof(error);
  if (::poll(&waiting, 1, connect_patience_ms) != 1 ||
      ::getsockopt(socket.file(), SOL_SOCKET, SO_ERROR, &error, &length) != 0 || error != 0) {
    return std::nullopt;
  }
  return socket;
}

std::optional<Socket> accepted_by(const Socket& listener) {
  Socket socket(::accept4(listener.file(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  return socket.file() < 0 ? std::nullopt : std::optional(std::move(socket));
}

std::vector<std::string> LineStream::lines() {
  std::array<char, 4096> buffer{};
  ssize_t count = 0;
  while ((count = ::recv(socket_.file(), buffer.data(), buffer.size(), 0)) > 0) {
    rest_.append(buffer.data(), static_cast<std::size_t>(count));
  }
  const bool is_waiting = count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
  is_closed_ = is_closed_ || !is_waiting;
  std::vector<std::string> whole;
  std::size_t end = 0;
  while ((end = rest_.find('\n')) != std::string::npos) {
    whole.push_back(rest_.substr(0, end));
    rest_.erase(0, end + 1);
  }
  return whole;
}

void LineStream::send(const std::string& line) {
  const std::string text = line + "\n";
  // A connection whose other end is gone shows when it is read.
  static_cast<void>(::send(socket_.file(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
}

}  // namespace forerun

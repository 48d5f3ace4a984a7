#include "estimator/measure/pair_probe.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "estimator/measure/statistics.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using Clock = std::chrono::steady_clock;

constexpr DataType element = DataType::fp32;
constexpr std::int64_t probe_element_bytes = 4;
constexpr std::int64_t smallest = 16384;  // 64 KiB: the first size whose transfer is timed
constexpr double messages_in_window = 6.0;
constexpr double streams_in_window = 7.0;  // five that count, and two to find their size

std::size_t buffer_bytes(Device& device) {
  return (device.report().kind == "host" ? std::size_t{16} : std::size_t{64}) << 20U;
}

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

PairProbe::Sample sample_of(const std::vector<double>& values) {
  std::vector<Seconds> samples;
  samples.reserve(values.size());
  for (const double value : values) {
    samples.push_back(value * unit::second);
  }
  const Timing timing = timing_of(std::move(samples));
  return {timing.median.in(unit::second), (timing.high - timing.low) / (2.0 * timing.median)};
}

}  // namespace

PairProbe::Buffers::Buffers(Device& device)
    : out(device, buffer_bytes(device)), in(device, buffer_bytes(device)) {
  device.set_zero(out.data(), out.bytes());
  device.set_zero(in.data(), in.bytes());
}

PairProbe::PairProbe(const Machine& machine, Buffers& buffers, int partner)
    : machine_(machine),
      partner_(partner),
      is_lower_(machine.host_world.rank() < partner),
      out_(buffers.out),
      in_(buffers.in) {}

double PairProbe::longer_of_both(double seconds) {
  auto own = static_cast<float>(seconds);
  float theirs = 0.0F;
  machine_.host_world.send_receive(&own, partner_, &theirs, partner_, 1, element);
  if (machine_.watch != nullptr) {
    machine_.watch->tick();
  }
  return static_cast<double>(std::max(own, theirs));
}

void PairProbe::send(std::int64_t elements) {
  machine_.data_world.start_send(out_.data(), elements, element, partner_);
  machine_.data_world.finish_sends();
}

void PairProbe::receive(std::int64_t elements) {
  machine_.data_world.receive(in_.data(), elements, element, partner_);
  machine_.device.synchronize();
}

void PairProbe::round_trip() {
  constexpr std::int64_t elements = 2;
  if (is_lower_) {
    send(elements);
    receive(elements);
  } else {
    receive(elements);
    send(elements);
  }
  machine_.device.synchronize();
}

PairProbe::Sample PairProbe::latency_s(double window_s) {
  constexpr int uncounted = 5;
  constexpr double least = 5.0;
  constexpr double most = 31.0;
  const auto begin = Clock::now();
  for (int i = 0; i < uncounted; ++i) {
    round_trip();
  }
  const double each_s = longer_of_both(seconds_since(begin)) / uncounted;
  const auto counted = static_cast<int>(std::clamp(window_s / each_s, least, most));
  std::vector<double> samples;
  for (int i = 0; i < counted; ++i) {
    const auto start = Clock::now();
    round_trip();
    samples.push_back(0.5 * seconds_since(start));
  }
  return sample_of(samples);
}

PairProbe::Exchange PairProbe::exchange(std::int64_t elements, int messages) {
  Exchange done;
  const auto begin = Clock::now();
  for (int i = 0; i < messages; ++i) {
    const auto start = Clock::now();
    machine_.data_world.send_receive(
        out_.data(), partner_, in_.data(), partner_, elements, element);
    machine_.device.synchronize();
    done.each_s.push_back(seconds_since(start));
  }
  done.spent_s = longer_of_both(seconds_since(begin));
  done.bytes = static_cast<double>(elements * probe_element_bytes) * messages;
  return done;
}

PairProbe::Sample PairProbe::rate_of(const Exchange& done, double latency_s) {
  const auto messages = static_cast<double>(done.each_s.size());
  // A transfer is never taken for faster than its whole time allows twice over.
  const double moving = std::max(done.spent_s - messages * latency_s, 0.5 * done.spent_s);
  return {done.bytes / moving, sample_of(done.each_s).error};
}

PairProbe::Sample PairProbe::exchange_bytes_per_s(double latency_s, double window_s) {
  const auto largest = static_cast<std::int64_t>(out_.bytes()) / probe_element_bytes;
  std::int64_t elements = smallest;
  while (elements < largest && exchange(elements, 1).spent_s * messages_in_window < window_s) {
    elements *= 2;
  }
  constexpr int least = 3;
  Exchange all = exchange(elements, least);
  while (all.spent_s < window_s) {
    // At most as many as so far: the first may have gone through a shaped link at once.
    const auto messages = static_cast<double>(all.each_s.size());
    const double rest = std::ceil(messages * (window_s / all.spent_s - 1.0));
    const Exchange more = exchange(elements, static_cast<int>(std::clamp(rest, 1.0, messages)));
    all.spent_s += more.spent_s;
    all.bytes += more.bytes;
    all.each_s.insert(all.each_s.end(), more.each_s.begin(), more.each_s.end());
  }
  return rate_of(all, latency_s);
}

PairProbe::Sample PairProbe::exchange_at(double rate, double latency_s, double window_s) {
  constexpr double messages = 16.0;  // few bytes are on the way when others have ended
  const auto largest = static_cast<double>(out_.bytes()) / probe_element_bytes;
  const double all = rate * window_s / probe_element_bytes;
  const auto elements =
      static_cast<std::int64_t>(std::clamp(all / messages, double{smallest}, largest));
  constexpr double least = 3.0;
  constexpr double most = 10'000.0;
  const double fill = std::clamp(std::ceil(all / static_cast<double>(elements)), least, most);
  return rate_of(exchange(elements, static_cast<int>(fill)), latency_s);
}

double PairProbe::stream_s(std::int64_t elements, int messages) {
  const auto start = Clock::now();
  constexpr std::int64_t acknowledgement = 1;
  if (is_lower_) {
    for (int i = 0; i < messages; ++i) {
      machine_.data_world.start_send(out_.data(), elements, element, partner_);
    }
    machine_.data_world.finish_sends();
    receive(acknowledgement);
  } else {
    for (int i = 0; i < messages; ++i) {
      receive(elements);
    }
    send(acknowledgement);
    machine_.device.synchronize();
  }
  const double seconds = seconds_since(start);
  // Only the sender's clock spans the whole of it.
  return longer_of_both(is_lower_ ? seconds : 0.0);
}

PairProbe::Sample PairProbe::stream_bytes_per_s(double latency_s, double window_s) {
  const auto largest = static_cast<std::int64_t>(out_.bytes()) / probe_element_bytes;
  std::int64_t elements = smallest;
  int messages = 1;
  constexpr int most_messages = 1024;
  while (stream_s(elements, messages) < window_s / streams_in_window && messages < most_messages) {
    elements < largest ? elements *= 2 : messages *= 2;
  }
  constexpr int repetitions = 5;
  std::vector<double> rates;
  for (int i = 0; i < repetitions; ++i) {
    const double seconds = stream_s(elements, messages);
    const double moving = std::max(seconds - 2.0 * latency_s, 0.5 * seconds);
    rates.push_back(static_cast<double>(elements * probe_element_bytes * messages) / moving);
  }
  return sample_of(rates);
}

}  // namespace forerun

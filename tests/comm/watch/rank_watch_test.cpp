// Which rank the watch of rank 0 names, with another rank played by the test.
#include "comm/watch/rank_watch.hpp"

#include <chrono>
#include <future>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "comm/serial/serial_communicator.hpp"
#include "comm/watch/tcp_line.hpp"
#include "tests/fake/faulty_communicator.hpp"
#include "units/unit.hpp"

namespace forerun {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

// Rank 0 of two; rank 1 accepts the invitation and then says what the test lets it say.
class OneOfTwo final : public FaultyCommunicator {
 public:
  OneOfTwo() : FaultyCommunicator(serial_, Collective::broadcast) {}

  int size() const override { return 2; }

  std::vector<std::string> all_gather_text(const std::string& text) override {
    ++calls_;
    if (calls_ == 1) {
      join(text);
      return {text, ""};
    }
    return calls_ == 2 ? std::vector<std::string>{"node1", "node2"}
                       : std::vector<std::string>{"yes", "yes"};
  }

  LineStream other;

 private:
  // "TOKEN HOST PORT ADDRESS..."
  void join(const std::string& invitation) {
    std::istringstream words(invitation);
    std::string token;
    std::string host;
    std::uint16_t port = 0;
    words >> token >> host >> port;
    auto socket = connect_to("127.0.0.1", port);
    ASSERT_TRUE(socket.has_value());
    other = LineStream(std::move(*socket));
    other.send(token + " 1");
  }

  SerialCommunicator serial_;
  int calls_ = 0;
};

// What is complained of when no operation ends and rank 1 is heard for `heard`, at most six
// seconds.
std::string complaint_after(milliseconds heard) {
  constexpr Seconds limit = 3.0 * unit::second;
  OneOfTwo ranks;
  std::promise<std::string> complaint;
  auto said = complaint.get_future();
  RankWatch watch(
      ranks, "node1", limit, [&](const std::string& what) { complaint.set_value(what); });
  watch.begin("all_reduce");
  const auto start = std::chrono::steady_clock::now();
  while (said.wait_for(milliseconds(200)) != std::future_status::ready) {
    const auto elapsed = std::chrono::steady_clock::now() - start;
    if (elapsed < heard) {
      ranks.other.send("1 1 all_reduce");
    } else if (elapsed > std::chrono::seconds(6)) {
      return "nothing";
    }
  }
  return said.get();
}

// Operations were slow before it stopped: the limit since the last of them passes first.
TEST(RankWatch, NamesTheRankThatIsSilentWhenNothingEnds) {
  EXPECT_THAT(complaint_after(milliseconds(1000)), HasSubstr("rank 1 on node2 has not been heard"));
}

TEST(RankWatch, NamesThoseBehindWhenAllAreHeardAndNothingEnds) {
  EXPECT_THAT(
      complaint_after(milliseconds(6000)),
      HasSubstr("nothing has ended for 3 s in all_reduce; furthest behind: rank 0 on node1"));
}

}  // namespace
}  // namespace forerun

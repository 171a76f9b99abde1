// What one message costs in pure code: found in the stream and its kind named (what a worker does with what
// it reads), and written anew with a copy's names (what the sender does before it sends), against memcpy of
// the same bytes. IRC, since lines and patterns are the dear case.
#include "tests/bench/benchmark.h"
#include "traces/protocol/conversation.h"
#include "traces/protocol/names.h"

#include <array>
#include <cstring>
#include <ctime>
#include <stdexcept>

namespace chorus::bench {
namespace {

using namespace protocol;

constexpr unsigned messages = 2'000'000;  // of each kind of work and run
constexpr unsigned in_stream = 2000;  // messages: what fits a processor's caches, as a worker's buffer does

// The compiler must take it that `bytes` are read.
void keep(const void* bytes) {
  asm volatile("" : : "r"(bytes) : "memory");
}

// Processor time of this thread: what others do meanwhile does not count.
double spent_ns() {
  timespec spent{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &spent);
  return static_cast<double>(spent.tv_sec) * 1e9 + static_cast<double>(spent.tv_nsec);
}

template <class Work>
double ns_per_message(const Work& work) {
  const double before = spent_ns();
  work();
  return (spent_ns() - before) / messages;
}

Page irc() {
  auto page = Page::find("irc");
  if (!page) throw std::runtime_error(page.error().what);
  return std::move(*page);
}

// What the sender renders: a line with a room and another's name, out of a recording of two.
struct Script {
  Page page = irc();
  format::Trace trace;
  std::vector<Conversation> group;
  Names names;
  MessageTemplate message;

  Script() {
    say(0, "NICK alice\r\nJOIN #choir\r\n");
    say(1, "NICK bobby\r\nJOIN #choir\r\n");
    say(0, "PRIVMSG #choir :bobby, this is a line of about the length that people write when they talk\r\n");
    group = converse(trace, page);
    auto found = Names::find(page, group, NewNames{});
    if (!found) throw std::runtime_error(found.error().what);
    names = std::move(*found);
    const Message& line = group.front().messages.back();
    message = MessageTemplate::compile(page, names, 0, line.kind, line.bytes);
  }
  void say(std::uint32_t connection, std::string_view bytes) {
    trace.payloads.emplace_back(bytes);
    const Nanos time = std::chrono::milliseconds(trace.events.size());
    trace.events.push_back({time, connection, format::EventKind::ToServer, trace.payloads.back(), {}});
  }
};

std::string stream() {
  std::string bytes;
  for (unsigned i = 0; i < in_stream; ++i) {
    bytes += ":u" + std::to_string(1000000 + i) +
             "!~u@127.0.0.1 PRIVMSG #choir00000 :a line of about the length that " +
             "people write when they talk\r\n";
  }
  return bytes;
}

double frame_all(const Page& page, Bytes bytes) {
  const Framing& framing = page.framing(Side::server);
  std::uint64_t kinds = 0;
  const double cost = ns_per_message([&] {
    for (unsigned round = 0; round < messages / in_stream; ++round) {
      for (Bytes rest = bytes; !rest.empty();) {
        const Frame frame = next_frame(framing, rest);
        kinds += page.kind_of(Side::server, rest.substr(0, frame.size)) != unknown_kind;
        rest.remove_prefix(frame.size);
      }
    }
  });
  if (kinds != messages) throw std::runtime_error("the stream was not framed as it was made");
  return cost;
}

double render_all(const Script& script, std::size_t& size) {
  std::string out;
  return ns_per_message([&] {
    for (std::uint32_t copy = 0; copy < messages; ++copy) {
      out.clear();
      script.message.render(script.page, script.names, {copy, copy, 2}, 0, out);
      size = out.size();
      keep(out.data());
    }
  });
}

double copy_all(Bytes bytes, std::size_t size) {
  std::array<char, 1024> to{};
  return ns_per_message([&] {
    std::size_t at = 0;
    for (unsigned i = 0; i < messages; ++i, at = at + 2 * size <= bytes.size() ? at + size : 0) {
      std::memcpy(to.data(), bytes.data() + at, size);
      keep(to.data());
    }
  });
}

}  // namespace

std::vector<Row> frame_and_render(const Settings& settings) {
  const Script script;
  const std::string bytes = stream();
  Row both{"frame-and-render", "ns/msg"}, frame{"frame-and-render/frame", "ns/msg"},
      render{"frame-and-render/render", "ns/msg"};
  std::size_t rendered = 0;
  for (unsigned run = 0; run < settings.runs; ++run) {
    frame.ours.push_back(frame_all(script.page, bytes));
    frame.baseline.push_back(copy_all(bytes, bytes.size() / in_stream));
    render.ours.push_back(render_all(script, rendered));
    render.baseline.push_back(copy_all(bytes, rendered));
    both.ours.push_back(frame.ours.back() + render.ours.back());
    both.baseline.push_back(frame.baseline.back() + render.baseline.back());
  }
  return {both, frame, render};
}

}  // namespace chorus::bench

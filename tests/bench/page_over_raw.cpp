// What framing and substitution cost in a whole replay: `chorus replay` with a page, against the same
// recording replayed as raw bytes. Both talk to the same echo server on the same schedule; a copy's name is
// as long as the recorded one, so both move the same bytes, and the page gates nothing, so both send at the
// same times. With the page each echo is found in the stream, named, seen to be the client's own and joined
// with what it answers. Processor time is that of the replaying process, in the steady state.
#include "tests/bench/benchmark.h"
#include "tests/bench/crowd.h"
#include "tests/bench/languages.h"
#include "traces/format/writer.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <iostream>
#include <stdexcept>

#include <boost/json/parse.hpp>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace chorus::bench {
namespace {

using namespace std::chrono_literals;
using format::EventKind;
using format::Nanos;

constexpr unsigned rate = 10'000;  // messages/s of the whole crowd, and as many echoes
constexpr auto apart = Nanos(1s) / rate;
constexpr auto ramp = 2ms + apart;  // no multiple of a client's period: its messages fall between the others'
constexpr unsigned most_clients = 1000;  // they join one after the other, and the first talks until the last
constexpr auto lead = 100ms;             // from HELLO to the first SAY
constexpr auto warm_up = 200ms, to_spare = 600ms;  // of everybody talking, before and after what is measured

// How long one client talks: until the last one has joined and everybody was watched together.
Nanos talking_time(const Settings& settings) {
  return ramp * settings.clients + warm_up + Nanos(static_cast<Nanos::rep>(settings.seconds * 1e9)) +
         to_spare;
}

void record(const std::filesystem::path& trace, const Language& language, const Settings& settings) {
  auto created = format::Writer::create(trace, {});
  if (!created) throw std::runtime_error(created.error().what);
  format::Writer& writer = **created;
  writer.info(R"({"mode":"recording"})");
  Nanos time{0};
  const auto add = [&](EventKind kind, std::string_view bytes = {}) {
    writer.add({time, 0, kind, bytes, {}});
  };
  const auto echoed = [&](const std::string& bytes, Nanos until_next) {
    add(EventKind::ToServer, bytes);
    time += 100us;
    add(EventKind::ToClient, bytes);
    time += until_next - 100us;
  };
  add(EventKind::Opened, "127.0.0.1:1 127.0.0.1:2");
  echoed(language.hello, lead);
  for (const Nanos end = time + talking_time(settings); time < end;)
    echoed(language.say, apart * settings.clients);
  echoed(language.bye, 1ms);
  add(EventKind::ClientEnd);
  add(EventKind::Closed);
  if (const auto closed = writer.close(); !closed) throw std::runtime_error(closed.error().what);
}

void watch(int queue, int file) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = file;
  epoll_ctl(queue, EPOLL_CTL_ADD, file, &event);
}

// False: the client has left, as one without a page does before its last echo.
bool send_all(int file, std::string_view bytes) {
  const ssize_t sent = send(file, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  if (sent == static_cast<ssize_t>(bytes.size())) return true;
  if (sent >= 0 || errno == EAGAIN) throw std::runtime_error("a client does not take its echoes");
  return false;
}

// Sends back whatever comes, until it is killed; counts in messages of `size` bytes.
void echo(const Listener& listener, std::size_t size, Board& board) {
  const int queue = epoll_create1(0), on = 1;
  watch(queue, listener.file());
  std::array<epoll_event, 256> events{};
  std::vector<char> buffer(64 * 1024);
  std::uint64_t bytes = 0;
  for (;;) {
    const int ready = epoll_wait(queue, events.data(), events.size(), -1);
    for (int i = 0; i < ready; ++i) {
      const int file = events[static_cast<std::size_t>(i)].data.fd;
      if (file == listener.file()) {
        const int client = accept4(file, nullptr, nullptr, SOCK_NONBLOCK);
        if (client < 0) continue;
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(queue, client);
        continue;
      }
      const ssize_t got = recv(file, buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (got < 0 && errno == EAGAIN) continue;
      if (got <= 0 || !send_all(file, {buffer.data(), static_cast<std::size_t>(got)})) close(file);
      if (got > 0) bytes += static_cast<std::uint64_t>(got);
    }
    board.messages.store(bytes / size, std::memory_order_relaxed);
  }
}

std::uint64_t count(const boost::json::value& document, const char* group, const char* key) {
  return document.at(group).at(key).to_number<std::uint64_t>();
}

// Throws when clients failed or messages were not sent. A late run is told: its figure is worth less, not
// nothing.
void check(test::Process& replay, const char* outcome, unsigned clients) {
  replay.wait();
  const std::string said = replay.out_rest();
  boost::system::error_code error;
  const auto document = boost::json::parse(said, error);
  if (error || count(document, "clients", outcome) != clients ||
      count(document, "messages", "sent") != count(document, "messages", "scheduled")) {
    throw std::runtime_error("chorus replay did not play the whole benchmark: " + said + replay.err_rest());
  }
  if (document.at("verdict") != "VALID") std::cerr << "bench: INVALID: " << document.at("reasons") << "\n";
}

double replay(const test::ScratchFolder& folder, const Language& language, bool raw,
              const Settings& settings) {
  const Listener listener;
  const SharedBoard board;
  const Forked server([&] { echo(listener, language.say.size(), *board); });
  auto command = replay_command(folder, listener.address(), settings.clients, ramp);
  if (raw) {
    *(std::find(command.begin(), command.end(), "--protocol") + 1) = "raw";
    command.push_back("--unjudged");
  }
  test::Process process(command);
  const auto joining = std::chrono::duration<double>(ramp * settings.clients);  // half of them talk meanwhile
  const auto joined = std::chrono::duration<double>(lead + warm_up);
  const double before = rate * (joining.count() / 2 + joined.count());
  const double cost = cpu_of(process, *board, static_cast<std::uint64_t>(before), settings.seconds);
  check(process, raw ? "unjudged" : "completed", settings.clients);
  return cost;
}

}  // namespace

std::vector<Row> page_over_raw(const Settings& wanted) {
  Settings settings = wanted;
  settings.clients = std::min(settings.clients, most_clients);
  allow_files(settings.clients + 100);
  std::vector<Row> rows{{"page-over-raw", "us cpu/msg", 1.15}};  // the mean of them all
  const std::vector<Language> languages = all_languages();
  for (const Language& language : languages)
    rows.push_back({rows.front().name + "/" + language.name, rows.front().unit, rows.front().target});
  for (unsigned run = 0; run < settings.runs; ++run) {
    double ours = 0, baseline = 0;
    for (std::size_t i = 0; i < languages.size(); ++i) {
      const test::ScratchFolder folder;
      record(folder / "one.trace", languages[i], settings);
      std::ofstream(folder / "bench.toml") << languages[i].page;
      rows[i + 1].ours.push_back(replay(folder, languages[i], false, settings));
      rows[i + 1].baseline.push_back(replay(folder, languages[i], true, settings));
      ours += rows[i + 1].ours.back() / languages.size();
      baseline += rows[i + 1].baseline.back() / languages.size();
    }
    rows.front().ours.push_back(ours);
    rows.front().baseline.push_back(baseline);
  }
  return rows;
}

}  // namespace chorus::bench

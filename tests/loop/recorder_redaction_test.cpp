// What `chorus record` leaves out, looked for in the file itself; and what `chorus replay` says of such a
// trace.
#include "tests/loop/chat_fixture.h"
#include "tests/loop/recorder_fixture.h"

#include <csignal>
#include <fstream>
#include <sstream>
#include <thread>

#include <boost/json.hpp>
#include <catch2/catch.hpp>

using namespace chorus;
using namespace chorus::test;

namespace {

std::string file_of(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

// One client that logs in and is welcomed, with the password in two reads.
format::Trace log_in(RecorderUnderTest& recorder) {
  auto [client, server] = recorder.connect();
  client.send("PASS hun");
  CHECK(server.receive_exactly(8) == "PASS hun");
  client.send("ter2\r\nNICK alice\r\nUSER a 0 * :a\r\n");
  CHECK(server.receive_exactly(33) == "ter2\r\nNICK alice\r\nUSER a 0 * :a\r\n");
  server.send(":here 001 alice :Welcome\r\n");
  CHECK(client.receive_exactly(26) == ":here 001 alice :Welcome\r\n");
  client.send("QUIT\r\n");
  CHECK(server.receive_exactly(6) == "QUIT\r\n");
  client.close();
  server.close();
  return recorder.finish();
}

// A server that welcomes everybody who says `password`.
class Welcoming {
 public:
  explicit Welcoming(const std::string& password)
      : thread_([this, password](const std::stop_token& stopping) {
          while (!stopping.stop_requested()) {
            try {
              Socket client = listener_.accept();
              welcome(client, password);
            } catch (const std::runtime_error&) {
              continue;  // a client that resets
            }
          }
        }) {}
  ~Welcoming() {
    thread_.request_stop();
    Socket::connect(listener_.port());
  }
  Welcoming(const Welcoming&) = delete;
  Welcoming& operator=(const Welcoming&) = delete;
  std::string address() const { return "127.0.0.1:" + std::to_string(listener_.port()); }

 private:
  static void welcome(Socket& client, const std::string& password) {
    std::string heard;
    while (heard.find("USER") == std::string::npos || !heard.ends_with("\r\n")) {
      const std::string more = client.receive();
      if (more.empty()) return;
      heard += more;
    }
    const std::string nick = heard.substr(heard.find("NICK ") + 5);
    client.send(heard.find("PASS " + password + "\r\n") == std::string::npos
                    ? ":here 464 * :Password incorrect\r\n"
                    : ":here 001 " + nick.substr(0, nick.find('\r')) + " :Welcome\r\n");
    client.receive_rest();
  }
  Listener listener_;
  std::jthread thread_;
};

}  // namespace

TEST_CASE("A password never reaches the disk where a page knows it, while the server hears it") {
  RecorderUnderTest recorder({"--protocol", "irc"});
  const format::Trace trace = log_in(recorder);
  const Told one = told(trace).at(0);
  CHECK(one.to_server == "PASS xxxxxxx\r\nNICK alice\r\nUSER a 0 * :a\r\nQUIT\r\n");
  CHECK(one.to_client == ":here 001 alice :Welcome\r\n");
  std::vector<std::size_t> sizes;
  for (const format::Event& event : trace.events)
    if (event.kind == format::EventKind::ToServer) sizes.push_back(event.payload.size());
  CHECK(sizes == std::vector<std::size_t>{8, 33, 6});
  const auto info = boost::json::parse(trace.info);
  CHECK(info.at("redacted").at("secrets") == true);
  CHECK(info.at("redacted").at("client").at("secrets") == 1);
}

TEST_CASE("A recorder that is killed between two parts of a password leaves no part of it") {
  RecorderUnderTest recorder({"--protocol", "irc"});
  auto [client, server] = recorder.connect();
  client.send("NICK alice\r\n");
  CHECK(server.receive_exactly(12) == "NICK alice\r\n");
  client.send("PASS hun");
  CHECK(server.receive_exactly(8) == "PASS hun");
  const auto deadline = std::chrono::steady_clock::now() + patience;
  const auto kept = [&] {
    const auto trace = format::load(recorder.partial_file());
    return trace ? trace->events.size() : 0;
  };
  while (kept() < 2 && std::chrono::steady_clock::now() < deadline)  // blocks are closed by time
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  recorder.process->signal(SIGKILL);
  CHECK(recorder.process->wait() == 128 + SIGKILL);
  const auto trace = format::load(recorder.partial_file());
  REQUIRE(trace.has_value());
  CHECK(told(*trace).at(0).to_server == "NICK alice\r\n");
  CHECK(file_of(recorder.partial_file()).find("hun") == std::string::npos);
}

TEST_CASE("Whatever a trace holds, in whichever block, no password is among it") {
  RecorderUnderTest recorder({"--protocol", "irc"});
  auto [client, server] = recorder.connect();
  const std::vector<std::string> lines{"PASS hunter2\r\n", "AUTHENTICATE AGFsaWNlAGh1bnRlcjI=\r\n",
                                       "PRIVMSG NickServ :IDENTIFY alice hunter2\r\n",
                                       "OPER root hunter2\r\n"};
  for (int round = 0; round < 50; ++round) {
    for (const std::string& line : lines) {  // in two reads, each time at another place
      const std::size_t cut = 1 + static_cast<std::size_t>(round) % (line.size() - 1);
      client.send(line.substr(0, cut));
      REQUIRE(server.receive_exactly(cut) == line.substr(0, cut));
      client.send(line.substr(cut));
      REQUIRE(server.receive_exactly(line.size() - cut) == line.substr(cut));
    }
  }
  const format::Trace trace = recorder.finish();
  const std::string said = told(trace).at(0).to_server;
  CHECK(said.size() == 50 * (lines[0].size() + lines[1].size() + lines[2].size() + lines[3].size()));
  for (const char* secret : {"hunter2", "AGFsaWNlAGh1bnRlcjI=", "h1bnRlcjI"}) {
    CHECK(said.find(secret) == std::string::npos);
    CHECK(trace.info.find(secret) == std::string::npos);
    CHECK(file_of(recorder.trace_file()).find(secret) == std::string::npos);
  }
  CHECK(boost::json::parse(trace.info).at("redacted").at("client").at("secrets") == 200);
}

TEST_CASE("Passwords are kept where that is asked for, and the trace says so") {
  RecorderUnderTest recorder({"--protocol", "irc", "--keep-secrets"});
  const format::Trace trace = log_in(recorder);
  CHECK(told(trace).at(0).to_server.starts_with("PASS hunter2\r\n"));
  CHECK(boost::json::parse(trace.info).at("secrets") == "kept");
}

TEST_CASE("What a pattern matches is blank in the file, in every read where no page is named") {
  RecorderUnderTest recorder({"--redact", "alice|hun|ter2"});
  const format::Trace trace = log_in(recorder);
  CHECK(told(trace).at(0).to_server == "PASS xxxxxxx\r\nNICK xxxxx\r\nUSER a 0 * :a\r\nQUIT\r\n");
  CHECK(trace.info.find("hunter2") == std::string::npos);
  CHECK(file_of(recorder.trace_file()).find("alice|hun") == std::string::npos);
}

TEST_CASE("A trace without its passwords is replayed with those of --users, and refused without them") {
  RecorderUnderTest recorder({"--protocol", "irc"});
  log_in(recorder);
  const std::string trace = recorder.trace_file().string();
  const Finished refused = run_chorus({"replay", trace, "--target", "127.0.0.1:9", "--clients", "1"});
  CHECK(refused.status == 2);
  CHECK(refused.err.find("without its passwords") != std::string::npos);
  CHECK(refused.err.find("--users") != std::string::npos);

  const auto users = recorder.folder / "users.csv";
  std::ofstream(users) << "name,password\nann,sesame\nben,sesame\n";
  Welcoming server("sesame");
  const Finished replayed = run_chorus(
      {"replay", trace, "--target", server.address(), "--clients", "2", "--users", users.string(), "--json"});
  INFO(replayed.out << replayed.err);
  CHECK(document_of(replayed).at("clients").at("completed").to_number<int>() == 2);
  CHECK(ended_with(replayed, 0));
}

TEST_CASE("Only the client's bytes: the server's are gone from the file, and it can still be sent") {
  RecorderUnderTest recorder({"--payloads", "client"});
  const format::Trace trace = log_in(recorder);
  CHECK(told(trace).at(0).to_server.starts_with("PASS hunter2\r\n"));
  CHECK(told(trace).at(0).to_client == std::string(26, '\0'));
  CHECK(boost::json::parse(trace.info).at("payloads") == "client");
  Welcoming server("hunter2");
  const Finished replayed =
      run_chorus({"replay", recorder.trace_file().string(), "--target", server.address(), "--clients", "1",
                  "--no-trial", "--unjudged", "--json", "--protocol", "irc"});
  INFO(replayed.out << replayed.err);
  CHECK(replayed.err.find("only the clients' bytes") != std::string::npos);
  CHECK(document_of(replayed).at("messages").at("sent").to_number<int>() == 4);
}

TEST_CASE(
    "Only times and sizes: nothing that was said is in the file, and replay says why it cannot send it") {
  RecorderUnderTest recorder({"--payloads", "none"});
  const format::Trace trace = log_in(recorder);
  CHECK(told(trace).at(0).to_server == std::string(47, '\0'));
  CHECK(told(trace).at(0).to_client == std::string(26, '\0'));
  const Finished refused =
      run_chorus({"replay", recorder.trace_file().string(), "--target", "127.0.0.1:9", "--clients", "1"});
  CHECK(refused.status == 2);
  CHECK(refused.err.find("--payloads none") != std::string::npos);
}

TEST_CASE("A pattern that is none, or matches nothing at all, is refused before anything is recorded") {
  ScratchFolder folder;
  const auto refusal = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"record", "--listen", "127.0.0.1:0", "--upstream", "127.0.0.1:9", "-o",
                               (folder / "one.trace").string()});
    const Finished refused = run_chorus(more);
    CHECK(refused.status == 2);
    CHECK(std::filesystem::is_empty(folder.path()));
    return refused.err;
  };
  CHECK(refusal({"--redact", "("}).find("--redact: not a regular expression") != std::string::npos);
  CHECK(refusal({"--redact", "a*"}).find("--redact") != std::string::npos);
  CHECK(refusal({"--keep-secrets"}).find("--protocol") != std::string::npos);
}

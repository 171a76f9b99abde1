// What `chorus record` leaves out, looked for in the file itself; and what `chorus replay` says of such a
// trace.
#include "tests/loop/chat_fixture.h"
#include "tests/loop/recorder_fixture.h"

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

// A server that welcomes everybody who says `password`, until so many have come. A trial that ends within its
// login is nobody's fault here, and not counted.
class Welcoming {
 public:
  Welcoming(const std::string& password, int welcomed)
      : thread_([this, password, welcomed] {
          for (int i = 0; i < welcomed;) {
            try {
              Socket client = listener_.accept();
              i += welcome(client, password);
            } catch (const std::runtime_error&) {
              continue;  // a client that resets
            }
          }
        }) {}
  std::string address() const { return "127.0.0.1:" + std::to_string(listener_.port()); }

 private:
  static bool welcome(Socket& client, const std::string& password) {
    std::string heard;
    while (heard.find("USER") == std::string::npos || !heard.ends_with("\r\n")) {
      const std::string more = client.receive();
      if (more.empty()) return false;
      heard += more;
    }
    const std::string nick = heard.substr(heard.find("NICK ") + 5);
    client.send(heard.find("PASS " + password + "\r\n") == std::string::npos
                    ? ":here 464 * :Password incorrect\r\n"
                    : ":here 001 " + nick.substr(0, nick.find('\r')) + " :Welcome\r\n");
    client.receive_rest();
    return true;
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
  Welcoming server("sesame", 2);
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
  Welcoming server("hunter2", 1);
  const Finished replayed =
      run_chorus({"replay", recorder.trace_file().string(), "--target", server.address(), "--clients", "1",
                  "--no-trial", "--unjudged", "--json", "--protocol", "irc"});
  INFO(replayed.out << replayed.err);
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
